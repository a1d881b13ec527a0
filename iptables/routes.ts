/** What the rules need besides rules: an address on `lo` for IPv6, and TPROXY's policy route. As steps of `ip` that can be undone; pure. */

import { CHAINS, type Family } from './constants.ts';
import type { CaptureOptions } from './options.ts';
import type { SavedRules } from './saved.ts';

export interface Step {
  readonly program: 'ip';
  readonly args: readonly string[];
  /** Arguments that take the step back. */
  readonly undo: readonly string[];
  /** What it is for, to go into an error. */
  readonly purpose: string;
  /** Tells whether it is done already, for what `ip` would do a second time: arguments, and what they then print. */
  readonly done?: { readonly args: readonly string[]; readonly printed: RegExp };
}

/** `lo` has all of 127.0.0.0/8 but only ::1 of IPv6: the proxy needs ::6 to call the application from. */
export function addressStep(): Step {
  return addAndDelete([], (verb) => ['-6', 'addr', verb, '::6/128', 'dev', 'lo'], 'adding ::6 to lo, from where the proxy reaches the application');
}

/** Marked packets are delivered here, whatever their destination. */
export function routeSteps({ tproxyMark, tproxyRouteTable }: Pick<CaptureOptions, 'tproxyMark' | 'tproxyRouteTable'>, families: readonly Family[]): readonly Step[] {
  return families.flatMap((family) => stepsFor(family, tproxyMark, String(tproxyRouteTable)));
}

/** The steps that an earlier apply took, read from the mark that its rules set and from `ip rule`; none without TPROXY rules. */
export function describeRoutes(states: readonly { readonly family: Family; readonly saved: SavedRules }[], readIp: (args: readonly string[]) => string): readonly Step[] {
  return states.flatMap(({ family, saved }) => {
    const mark = saved.get('mangle')?.chains.get(CHAINS.divert)?.map((spec) => /--set-x?mark (0x[0-9a-f]+)/.exec(spec)?.[1]).find((found) => found !== undefined);
    if (mark === undefined) return [];
    const rules = readIp([flagOf(family), 'rule', 'show']);
    const table = new RegExp(`fwmark ${mark} lookup (\\d+)`).exec(rules)?.[1];
    return table === undefined ? [] : stepsFor(family, Number(mark), table);
  });
}

function stepsFor(family: Family, mark: number, table: string): readonly Step[] {
  const purpose = "TPROXY's route to this host";
  const flag = flagOf(family);
  const rule = addAndDelete([flag], (verb) => ['rule', verb, 'fwmark', String(mark), 'lookup', table], purpose);
  return [
    { ...rule, done: { args: [flag, 'rule', 'show'], printed: new RegExp(`fwmark 0x${mark.toString(16)} lookup ${table}\\b`) } },
    addAndDelete([flag], (verb) => ['route', verb, 'local', 'default', 'dev', 'lo', 'table', table], purpose),
  ];
}

function addAndDelete(before: readonly string[], words: (verb: 'add' | 'del') => readonly string[], purpose: string): Step {
  return { program: 'ip', args: [...before, ...words('add')], undo: [...before, ...words('del')], purpose };
}

function flagOf(family: Family): string {
  return family === 'v4' ? '-4' : '-6';
}
