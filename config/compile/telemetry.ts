/** Access log settings of the mesh configuration; flags of the command line win over them (istio-api.md sections 12, 14.2). */

import type { Resource } from '../load/types.ts';
import type { MeshConfigSpec } from '../resources/mesh-config.ts';
import type { TelemetryConfig } from '../runtime/runtime-config.ts';

export function telemetryConfig(meshConfig: Resource<MeshConfigSpec> | undefined): TelemetryConfig {
  const { accessLogFile = '', accessLogEncoding = 'TEXT', accessLogFormat = '' } = meshConfig?.spec ?? {};
  return {
    accessLog: {
      encoding: accessLogEncoding,
      ...(accessLogFormat !== '' && { format: accessLogFormat }),
      ...(accessLogFile !== '' && { path: accessLogFile }),
    },
  };
}
