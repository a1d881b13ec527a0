/**
 * AUTO_PASSTHROUGH: the server name `outbound_.PORT_.SUBSET_.HOST` says which cluster a connection is for (istio-api.md 4.3).
 * That cluster has the same name: the endpoints with mutual TLS of `outbound|PORT|SUBSET|HOST`, to which bytes go as they come.
 */

const PREFIX = 'outbound_.';

/** Name of the cluster, or undefined where the name is of another form or its host is not one of `hosts` (exact, `*.suffix`, `*`). */
export function clusterNamedBySni(serverName: string, hosts: readonly string[]): string | undefined {
  if (!serverName.startsWith(PREFIX)) return undefined;
  const [, host = ''] = /^\d{1,5}_\.[^_]*_\.(.+)$/.exec(serverName.slice(PREFIX.length)) ?? [];
  if (host === '' || !hosts.some((allowed) => covers(allowed, host))) return undefined;
  return serverName;
}

function covers(allowed: string, host: string): boolean {
  if (allowed === '*') return true;
  return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed;
}
