/** Kubernetes Secret, as far as TLS reads it. Values are secret: never print them in a problem, a log line or a dump. */

export interface SecretBody {
  /** Default Opaque. */
  readonly type?: string;
  /** Key → base64 value; `stringData` is encoded and merged over `data`, as the API server does. Without prototype. */
  readonly data: Readonly<Record<string, string>>;
}
