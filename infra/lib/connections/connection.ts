/** One connection, as far as a deployment has to know it. */
export interface Connection {
  /** Its name; it keys the stored state and names schedules and alarms. */
  readonly name: string;
  /** The file it was read from. */
  readonly file: string;
  /** The Secrets Manager id of the directory's credentials; without one the bind is anonymous. */
  readonly directorySecret: string | undefined;
  /** The Secrets Manager id of the target's token. */
  readonly targetSecret: string;
  /** The certificate authority's file, relative to the connection's own. */
  readonly authority: string | undefined;
  /** Ports of the directory's servers. */
  readonly directoryPorts: readonly number[];
  /** Port of the target. */
  readonly targetPort: number;
  /** How many calls the target gets at a time: as many users are provisioned, with a call each. */
  readonly concurrency: number;
}

/** A connection file as TOML gives it, once the JSON Schema has accepted it. */
export interface ConnectionFile {
  readonly name: string;
  readonly directory: {
    readonly url: string | readonly string[];
    readonly secret?: string;
    readonly ca?: string;
  };
  readonly scope: { readonly group?: string; readonly filter?: string };
  readonly target: { readonly url: string; readonly secret: string; readonly concurrency?: number };
  readonly mapping: Readonly<Record<string, unknown>>;
}
