/** /server_info: who this proxy is and how it was started, in Envoy's shape. */

import { jsonAnswer, type AdminPage } from './page.ts';
import type { AdminView } from './view.ts';

export function serverInfoPage(view: AdminView, version: string): AdminPage {
  return {
    path: '/server_info',
    help: 'print server version, status and node',
    answer: () => {
      const uptime = `${Math.floor(view.uptimeMs() / 1000)}s`;
      return jsonAnswer({
        version,
        state: view.state(),
        uptime_current_epoch: uptime,
        uptime_all_epochs: uptime,
        hot_restart_version: 'disabled',
        command_line_options: view.options(),
        node: renderNode(view),
      });
    },
  };
}

/** Istio's node id, `TYPE~IP~NAME.NAMESPACE~NAMESPACE.svc.DOMAIN`, and the metadata it sends with it. */
function renderNode(view: AdminView): unknown {
  const { node } = view.runtimeConfig();
  const type = node.mode === 'gateway' ? 'router' : 'sidecar';
  return {
    id: `${type}~${node.ip}~${node.name}.${node.namespace}~${node.namespace}.svc.${node.clusterDomain}`,
    cluster: `${node.workload.canonicalService ?? node.name}.${node.namespace}`,
    user_agent_name: 'outrider',
    metadata: {
      NAME: node.name,
      NAMESPACE: node.namespace,
      SERVICE_ACCOUNT: node.serviceAccount,
      LABELS: node.labels,
      MESH_ID: node.trustDomain,
      ...(node.workload.name === undefined ? {} : { WORKLOAD_NAME: node.workload.name }),
      ...(node.workload.cluster === undefined ? {} : { CLUSTER_ID: node.workload.cluster }),
    },
  };
}
