/** The annotation that turns an AuthorizationPolicy into a trial. */

export const DRY_RUN_ANNOTATION = 'istio.io/dry-run';

/** What Go's strconv.ParseBool reads, as istiod does; undefined for anything else. */
export function parseDryRun(value: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value) ? false : undefined;
}
