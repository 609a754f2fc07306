/**
 * A setting or a connection file that cannot be deployed. The message is one sentence: where, what, and what to do. The app prints
 * the message without a stack trace.
 */
export class Mistake extends Error {
  override readonly name = "Mistake";
}

/** The most similar word, if one is similar enough. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  const ranked = [...words]
    .map((candidate) => ({ candidate, distance: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(2, word.length / 3) ? best.candidate : undefined;
}

/** "; did you mean X?" where a word is similar, else the list of all words. */
export function hint(word: string, words: Iterable<string>): string {
  const known = [...words];
  const near = nearest(word, known);
  return near === undefined ? `; there are: ${known.join(", ")}` : `; did you mean ${near}?`;
}

/** Edit distance of two words. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      line.push(Math.min(replaced, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1));
    }
    above = line;
  }
  return above[b.length] ?? 0;
}
