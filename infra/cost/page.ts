import { cost, INPUTS, type Item, PRICE_LIST, PRICES, quantities, USERS, values } from "./model.ts";

const number = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 2 });
const dollars = (value: number): string => `$${value.toFixed(2)}`;
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const sum = (items: readonly Item[]): number => items.reduce((total, item) => total + cost(item), 0);

/** The page about cost. */
export function costPage(): string {
  const columns = USERS.map((users) => ({ users, items: quantities(users, values()) }));
  const services = [...new Set(columns.flatMap(({ items }) => items.map(({ service }) => service)))];
  const bases = Object.values(INPUTS).map(({ basis }) => basis);
  const count = (basis: string): number => bases.filter((other) => other === basis).length;
  return `# What it costs

Written by \`npm run cost\` from [cost-inputs.json](cost-inputs.json) and [cost/prices.json](cost/prices.json): change a number
there, run it again. One connection, a scan every minute and one of everybody every day, both functions on arm64.

**How far to trust it.** Of the ${bases.length} inputs ${count("measured")} are measured, ${count("derived")} derived from the code or AWS's documentation, and
${count("assumed")} assumed; each says how below. What is measured is measured on loopback: a network makes scans longer, and their units stay.

Prices: ${PRICE_LIST.region}, ${PRICE_LIST.date}. ${PRICE_LIST.note}

Not in it: the network that leads to the directory (a NAT gateway or the interface endpoints for SQS, Secrets Manager,
Lambda and CloudWatch Logs often cost more than everything here), data transfer, the first load of all users, and support.

## A month

${row(["US dollars a month", ...USERS.map((users) => `${number(users)} users`)])}
${row(["---", ...USERS.map(() => "---:")])}
${services.map((service) => row([service, ...columns.map(({ items }) => dollars(sum(items.filter((item) => item.service === service))))])).join("\n")}
${row(["**together**", ...columns.map(({ items }) => `**${dollars(sum(items))}**`)])}

## What is paid for

${row(["", "unit", "price", ...USERS.map((users) => number(users))])}
${row(["---", "---", "---", ...USERS.map(() => "---:")])}
${(columns[0]?.items ?? [])
  .map(({ service, what, price }, at) => {
    const { usd, per, unit } = PRICES[price];
    const each = columns.map(({ items }) => number(items[at]?.quantity ?? NaN));
    return row([`${service}: ${what}`, unit, `$${usd} / ${number(per)}`, ...each]);
  })
  .join("\n")}

On x86-64 the two lines of GB-seconds cost a quarter more.

## The inputs

${row(["input", "value", "basis", "how"])}
${row(["---", "---:", "---", "---"])}
${Object.entries(INPUTS)
  .map(([name, { value, basis, how }]) => row([name, number(value), basis, how]))
  .join("\n")}

## The prices

${row(["price", "US dollars", "for", "source", "checked"])}
${row(["---", "---:", "---", "---", "---"])}
${Object.entries(PRICES)
  .map(([name, { usd, per, unit, source, checked }]) => row([name, String(usd), `${number(per)} ${unit}`, source, checked ?? "no"]))
  .join("\n")}
`;
}
