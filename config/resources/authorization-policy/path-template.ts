/** Path templates of AuthorizationPolicy: `{*}` is one segment, `{**}` any number (istio-api.md 10.4). */

/** RFC 3986 pchar without `*`, as Envoy's URI template takes it. */
const literal = /^[-A-Za-z0-9._~%!$&'()+,;:@=]*$/;

/** Why a path that holds an operator is no valid template; undefined for valid ones and for plain paths. */
export function pathTemplateProblem(path: string): string | undefined {
  if (!path.includes('{*}') && !path.includes('{**}')) return undefined;
  const shown = JSON.stringify(path);
  if (!path.startsWith('/')) return `${shown}: a path template must start with "/"`;
  let open = false;
  for (const segment of path.slice(1).split('/')) {
    if (segment === '{*}' || segment === '{**}') {
      if (open) return `${shown}: nothing but literal segments may follow "{**}"`;
      open = segment === '{**}';
      continue;
    }
    if (segment.includes('{*}') || segment.includes('{**}')) return `${shown}: a segment with "{*}" or "{**}" may hold nothing else`;
    if (!literal.test(segment)) return `${shown}: segment ${JSON.stringify(segment)} has a character that a path template does not allow`;
  }
  return undefined;
}
