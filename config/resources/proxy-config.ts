/** ProxyConfig: settings of the proxy process itself, for the workloads of a namespace. */

import type { KindParser } from './kind.ts';
import { istioVersions, specKind } from './kind.ts';
import type { WorkloadSelector } from './policy-target.ts';
import { workloadSelector } from './policy-target.ts';
import type { Schema } from './schema.ts';
import { integer, map, object, text } from './schema.ts';

export interface ProxyConfigSpec {
  readonly selector?: WorkloadSelector;
  /** Worker count; 0 = one per core. */
  readonly concurrency?: number;
  readonly environmentVariables?: Readonly<Record<string, string>>;
  readonly image?: { readonly imageType?: string };
}

const spec: Schema<ProxyConfigSpec> = object<ProxyConfigSpec>({
  selector: workloadSelector,
  concurrency: integer(0, 0x7f_ff_ff_ff),
  environmentVariables: map(text, (variables, report) => {
    for (const [name, value] of Object.entries(variables)) {
      if (value.length > 2048) report.error([name], `must be at most 2048 characters, has ${value.length}`);
    }
  }),
  image: object<{ readonly imageType?: string }>({ imageType: text }),
});

export const proxyConfig: KindParser<ProxyConfigSpec> = specKind({ kind: 'ProxyConfig', apiVersions: istioVersions('networking', 'v1beta1') }, spec);
