/** One rule as iptables takes it, and where it goes. */

/** Tables in the order in which they are written. */
export const TABLES = ['mangle', 'nat', 'raw'] as const;
export type Table = (typeof TABLES)[number];

export interface Rule {
  readonly table: Table;
  readonly chain: string;
  /** 1 is the top of the chain; absent: at its end. */
  readonly position?: number;
  /** Matches and target, as after `-A CHAIN`. */
  readonly spec: string;
}

export function append(table: Table, chain: string, spec: string): Rule {
  return { table, chain, spec };
}

export function insert(table: Table, chain: string, position: number, spec: string): Rule {
  return { table, chain, position, spec };
}

/** The name after `-j`: a chain or a built-in target. */
export function targetOf(spec: string): string | undefined {
  return /(?:^| )-[jg] (\S+)/.exec(spec)?.[1];
}

/** One line of iptables-restore. */
export function renderRule({ chain, position, spec }: Rule): string {
  return position === undefined ? `-A ${chain} ${spec}` : `-I ${chain} ${position} ${spec}`;
}
