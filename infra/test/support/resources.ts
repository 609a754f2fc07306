/** A resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
}
export type Resources = Record<string, Resource>;

/** A stack that was made. */
export interface Made {
  readonly account: string;
  readonly region: string;
  readonly resources: Resources;
  /** Physical ids by logical ones. */
  readonly made: ReadonlyMap<string, string>;
}

/** Puts what was made in the place of references to it. */
export function resolveIn(stack: Made, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => resolveIn(stack, item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [call, argument] = entries[0] ?? [];
  if (call === "Ref") return stack.made.get(String(argument)) ?? stack.resources[String(argument)]?.Properties["Name"];
  if (call === "Fn::GetAtt") return attribute(stack, ...(argument as [string, string]));
  if (call === "Fn::Join") return (argument as [string, unknown[]])[1].map((item) => resolveIn(stack, item)).join("");
  return Object.fromEntries(entries.map(([key, item]) => [key, resolveIn(stack, item)]));
}

function attribute({ account, region, resources, made }: Made, id: string, name: string): string {
  const physical = made.get(id) ?? "";
  switch (resources[id]?.Type) {
    case "AWS::Lambda::Function":
      return `arn:aws:lambda:${region}:${account}:function:${physical}`;
    case "AWS::SQS::Queue": {
      const queue = physical.split("/").at(-1) ?? "";
      return name === "QueueName" ? queue : `arn:aws:sqs:${region}:${account}:${queue}`;
    }
    case "AWS::IAM::Role":
      return `arn:aws:iam::${account}:role/${physical}`;
    case "AWS::KMS::Key":
      return `arn:aws:kms:${region}:${account}:key/${physical}`;
    default:
      throw new Error(`nobody knows the ${name} of ${id}`);
  }
}

/** A template without some resources; what refers to them gets a word instead. */
export function withoutResources<T extends { Resources: Resources }>(template: T, without: ReadonlyMap<string, Resource>): T {
  const isGone = (value: object): boolean => {
    const [[call, argument] = []] = Object.entries(value);
    if (call === "Ref") return without.has(String(argument));
    return call === "Fn::GetAtt" && without.has((argument as string[])[0] ?? "");
  };
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    if (isGone(value)) return "not-made";
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item)]));
  };
  const Resources = Object.fromEntries(Object.entries(template.Resources).filter(([id]) => !without.has(id)));
  return walk({ ...template, Resources }) as T;
}
