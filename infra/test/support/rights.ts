import { EVERYTHING, synthesise } from "./site.ts";

/** One statement of a role, in words. */
export interface Listed {
  readonly role: string;
  readonly sid: string;
  readonly effect: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition: string;
}

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

interface Resource {
  readonly Type: string;
  readonly Properties: {
    readonly Policies?: { readonly PolicyDocument: { readonly Statement: Statement[] } }[];
    readonly ManagedPolicyArns?: unknown;
  };
}

/** What every role of a template may do. A right that isn't in a role itself would be missed, so it is an error. */
export function listRights(template: { readonly Resources: Readonly<Record<string, unknown>> }): Listed[] {
  const resources = Object.entries(template.Resources) as [string, Resource][];
  for (const [id, { Type, Properties }] of resources) {
    const elsewhere = ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"].includes(Type);
    if (elsewhere || Properties.ManagedPolicyArns !== undefined) throw new Error(`${id} gives rights outside of a role's own policy`);
  }
  return resources
    .filter(([, { Type }]) => Type === "AWS::IAM::Role")
    .flatMap(([id, { Properties }]) =>
      (Properties.Policies ?? []).flatMap(({ PolicyDocument }) =>
        PolicyDocument.Statement.map(({ Sid, Effect, Action, Resource, Condition }) => ({
          role: short(id),
          sid: Sid,
          effect: Effect,
          actions: [Action].flat().sort(),
          resources: [Resource].flat().map(inWords).sort(),
          condition: Condition === undefined ? "" : conditionInWords(Condition),
        })),
      ),
    );
}

/** A logical id without the construct's own and the hash. */
function short(id: string): string {
  return id.replace(/^Provisioner/, "").replace(/[0-9A-F]{8}$/, "");
}

function inWords(value: unknown): string {
  if (typeof value === "string") return value;
  const [[call, argument]] = Object.entries(value as object) as [[string, unknown]];
  switch (call) {
    case "Ref":
      return String(argument).startsWith("AWS::") ? `{${String(argument).slice(5)}}` : short(String(argument));
    case "Fn::GetAtt":
      return short((argument as string[])[0] ?? "");
    case "Fn::Join":
      return ((argument as [string, unknown[]])[1]).map(inWords).join("");
    default:
      return JSON.stringify(value);
  }
}

function conditionInWords(condition: Record<string, Record<string, unknown>>): string {
  const parts = Object.values(condition).flatMap((tests) =>
    Object.entries(tests).map(([key, value]) => `${key} = ${[value].flat().map(inWords).join(", ")}`),
  );
  return parts.join("; ").replaceAll(".{Region}.{URLSuffix}", "");
}

/** The rights of a deployment with every part that is opt-in: every right that exists. */
export function rightsOfEverything(): Listed[] {
  const { app, stack } = synthesise(EVERYTHING);
  return listRights(app.synth().getStackByName(stack.stackName).template as { Resources: Record<string, unknown> });
}
