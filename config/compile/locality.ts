/** Localities, `region/zone/subzone`: how near two are, and what a pattern covers (istio-api.md 3.5). */

import type { Labels } from './labels.ts';

export interface Locality {
  /** Each part is empty where it is unknown. */
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export const REGION_LABEL = 'topology.kubernetes.io/region';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const SUBZONE_LABEL = 'topology.istio.io/subzone';
export const NETWORK_LABEL = 'topology.istio.io/network';
export const HOSTNAME_LABEL = 'kubernetes.io/hostname';
const LOCALITY_LABEL = 'istio-locality';

export function parseLocality(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return { region, zone, subzone };
}

/** Without the parts at the end that are unknown. */
export function renderLocality({ region, zone, subzone }: Locality): string {
  return `${region}/${zone}/${subzone}`.replace(/\/+$/, '');
}

/** From a Pod's own labels: Istio's, which writes dots because a label value cannot hold `/`, else Kubernetes'. Empty where there are none. */
export function labelledLocality(labels: Labels): string {
  const label = labels[LOCALITY_LABEL] ?? '';
  if (label === '') return topologyLocality(labels);
  return label.includes('/') ? label : label.replaceAll('.', '/');
}

/** From the labels that Kubernetes gives a Node, and in newer versions its Pods. */
export function topologyLocality(labels: Labels): string {
  const { [REGION_LABEL]: region = '', [ZONE_LABEL]: zone = '', [SUBZONE_LABEL]: subzone = '' } = labels;
  return renderLocality({ region, zone, subzone });
}

/** What is known of a workload's place besides its own labels. */
export interface KnownPlace {
  readonly locality: Locality;
  /** Kubernetes node. */
  readonly nodeName: string | undefined;
  readonly network: string | undefined;
}

/** The topology label that the place stands for; undefined for other labels, and where the place is not known to that point. */
export function topologyLabel(key: string, { locality, nodeName, network }: KnownPlace): string | undefined {
  return {
    [REGION_LABEL]: locality.region,
    [ZONE_LABEL]: locality.zone,
    [SUBZONE_LABEL]: locality.subzone,
    [HOSTNAME_LABEL]: nodeName,
    [NETWORK_LABEL]: network,
  }[key] || undefined;
}

/** 0 the same place, 1 the same zone, 2 the same region, 3 elsewhere. */
export function distance(own: Locality, other: Locality): 0 | 1 | 2 | 3 {
  if (!inSameRegion(own, other)) return 3;
  if (own.zone !== other.zone) return 2;
  return own.subzone === other.subzone ? 0 : 1;
}

/** With the region of one's own zone, where only the zone is known. */
export function completed(locality: Locality, own: Locality): Locality {
  return locality.region === '' && inSameRegion(own, locality) ? { ...locality, region: own.region } : locality;
}

/** `*`, `us-west/*`, `us-west/zone-1`: parts left out cover everything, `*` ends any part. */
export function localityMatches(pattern: string, { region, zone, subzone }: Locality): boolean {
  const [wantedRegion = '', wantedZone = '*', wantedSubzone = '*'] = pattern.split('/');
  return partMatches(wantedRegion, region) && partMatches(wantedZone, zone) && partMatches(wantedSubzone, subzone);
}

function partMatches(wanted: string, part: string): boolean {
  return wanted.endsWith('*') ? part.startsWith(wanted.slice(0, -1)) : wanted === part;
}

/** An EndpointSlice knows the zone alone; a zone's name is its own within a mesh. */
function inSameRegion(a: Locality, b: Locality): boolean {
  if (a.region === b.region) return true;
  return (a.region === '' || b.region === '') && a.zone !== '' && a.zone === b.zone;
}
