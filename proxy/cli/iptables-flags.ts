/** Options of `outrider iptables` that say what to do with the rules; what the rules are is said by iptables/options.ts. */

export interface ActionFlag {
  readonly name: string;
  readonly short?: string;
  readonly env?: string;
  readonly help: string;
}

export const ACTION_FLAGS: readonly ActionFlag[] = [
  { name: 'print', help: 'write the rules to standard output' },
  { name: 'apply', help: 'make the rules, all or none' },
  { name: 'clean', help: 'remove what --apply made' },
  { name: 'cleanup-only', env: 'CLEANUP_ONLY', help: "istio-iptables' name for --clean" },
  { name: 'dry-run', short: 'n', env: 'DRY_RUN', help: 'start no program: print what would be fed to iptables-restore' },
  { name: 'reconcile', env: 'RECONCILE', help: 'replace rules of ours that differ; --apply always does' },
  { name: 'force-apply', env: 'FORCE_APPLY', help: 'apply whatever is there; --apply always does' },
  { name: 'restore-format', short: 'f', help: 'rules as iptables-restore reads them; the only form there is' },
];

/** Options of istio-iptables for other ways of deployment, each with what to do instead. */
export const REFUSED_FLAGS: Readonly<Record<string, string>> = {
  'cni-mode': 'there is no CNI plugin: run it in the network namespace of the pod',
  'network-namespace': 'run it in that namespace (ip netns exec, nsenter --net)',
  'run-validation': 'connect through the rules instead: outrider run must be listening',
  'skip-rule-apply': 'leave the command out instead',
  'iptables-probe-port': 'it belongs to --run-validation, which does not exist here',
  'probe-timeout': 'it belongs to --run-validation, which does not exist here',
  'iptables-trace-logging': 'use iptables -t raw -A OUTPUT -j TRACE',
  'native-nftables': 'the rules are made by iptables, on nf_tables where the host uses that',
  'iptables-version': 'the kind in use is found by itself',
};
