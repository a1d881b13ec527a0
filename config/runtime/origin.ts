/** Where a value of the runtime configuration was written; what `explain`, logs and dumps print after "from". */

export interface Origin {
  /** `Kind namespace/name`, e.g. `VirtualService default/reviews`. */
  readonly resource: string;
  /** Path of the file as the user gave it; `-` for standard input. */
  readonly file: string;
  /** 1-based line of the value (or of the resource when the value has no line of its own). */
  readonly line: number;
}
