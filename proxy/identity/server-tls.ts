/** TLS of accepted connections: the handshake, and whether the peer's certificate is one the configuration lets in. */

import type { Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';
import type { ServerTlsConfig } from '../../config/runtime/tls.ts';
import type { Clock } from '../base/clock.ts';
import { chainErrorOf } from '../base/tls-socket.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import { offeredProtocols } from './client-hello.ts';
import { Handshake } from './handshake.ts';
import { ocspResponder } from './ocsp.ts';
import { certificateFacts, type CertificateFacts } from './peer.ts';
import type { IdentitySecret } from './secret.ts';
import { missingSecret, type SecretStore } from './secret-store.ts';
import { contextDigest, createServerContext, protocolList } from './tls-context.ts';
import type { TlsEvents, TlsFailure } from './tls-events.ts';
import { countFailure, secretNotReady } from './tls-failure.ts';
import { refusePeer, type PeerRules } from './verify.ts';

export interface ServerTlsDeps {
  readonly clock: Clock;
  readonly store: SecretStore;
  readonly ticketSeed: Uint8Array;
  /** OpenSSL does not take the configuration; told once for each generation of secrets. */
  readonly onProblem: (sentence: string) => void;
}

/** What handshakes use until a secret changes. */
interface Material {
  readonly generation: number;
  readonly context: SecureContext;
  /** The only certificate there is to show, or undefined where there are two. */
  readonly local: CertificateFacts | undefined;
  readonly server: ReturnType<typeof ocspResponder>;
}

export class ServerTls {
  readonly config: ServerTlsConfig;
  readonly #deps: ServerTlsDeps;
  readonly #rules: PeerRules;
  readonly #alpn: Buffer | undefined;
  #material: Material | { readonly generation: number; readonly missing: string } | undefined;

  constructor(config: ServerTlsConfig, deps: ServerTlsDeps) {
    this.config = config;
    this.#deps = deps;
    this.#rules = rulesOf(config);
    this.#alpn = protocolList(config.alpn);
  }

  /**
   * `early`: what was already read from `socket`, copied out of the shared buffer, at best the whole ClientHello: a client none of whose
   * protocols is spoken here is then served without one (Envoy) instead of refused. The returned function gives up, silently.
   */
  terminate(socket: Socket, early: Buffer, events: TlsEvents): () => void {
    const material = this.#current();
    if ('missing' in material) {
      const failure = secretNotReady(material.missing);
      countFailure(events.counters, failure);
      socket.on('error', ignore);
      socket.resetAndDestroy();
      events.onFailure(failure);
      return ignore;
    }
    // Read by tls before anything else that comes from the connection.
    if (early.length > 0) socket.unshift(early);
    const { clientCertificate } = this.config;
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: material.context,
      requestCert: clientCertificate !== 'none',
      // The chain is judged here; this only makes OpenSSL refuse a client without any, with the alert for that.
      rejectUnauthorized: clientCertificate === 'required',
      ...(material.server === undefined ? {} : { server: material.server }),
      ...(this.#speaksNone(early) ? {} : { ALPNProtocols: this.#alpn as Buffer }),
    });
    const handshake = new Handshake(secure, socket, events, { clock: this.#deps.clock, who: 'client', judge: (done) => this.#judge(done, material) });
    return () => handshake.giveUp();
  }

  /** No protocol to agree on: nothing is configured, or the client offers other ones only. */
  #speaksNone(early: Buffer): boolean {
    if (this.#alpn === undefined) return true;
    const offered = offeredProtocols(early);
    return offered !== undefined && !offered.some((name) => this.config.alpn.includes(name));
  }

  #judge(socket: TLSSocket, material: Material): TlsFailure | ConnectionSecurity {
    const asked = this.config.clientCertificate !== 'none';
    const shown = asked ? socket.getPeerX509Certificate() : undefined;
    const peer = shown === undefined ? undefined : certificateFacts(shown);
    const refusal = refusePeer(this.#rules, peer, peer === undefined ? undefined : chainErrorOf(socket), this.#deps.clock.wallTime() / 1000);
    if (refusal !== undefined) return refusal;
    return {
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher().name,
      serverName: serverNameOf(socket),
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
      mutual: peer !== undefined && this.#rules.chain,
      peer,
      local: material.local ?? shownBy(socket),
      resumed: socket.isSessionReused(),
    };
  }

  #current(): Material | { readonly generation: number; readonly missing: string } {
    const { generation } = this.#deps.store;
    if (this.#material?.generation !== generation) this.#material = this.#build(generation);
    return this.#material;
  }

  #build(generation: number): Material | { readonly generation: number; readonly missing: string } {
    const { store, ticketSeed, onProblem } = this.#deps;
    const { config } = this;
    const identities: IdentitySecret[] = [];
    for (const reference of config.identities) {
      const identity = store.identity(reference);
      if (identity === undefined) return { generation, missing: missingSecret(reference, store) };
      identities.push(identity);
    }
    const trust = config.clientCertificate === 'none' || config.trust === undefined ? undefined : store.trust(config.trust);
    if (trust === undefined && this.#rules.chain) return { generation, missing: config.trust === undefined ? 'no authorities are configured' : missingSecret(config.trust, store) };
    const { origin, ...rules } = config;
    try {
      const context = createServerContext({ parameters: config, identities, trust, ticketSeed, digest: contextDigest(rules, [...identities, trust]) });
      const local = identities.length === 1 ? identities[0]?.certificates[0] : undefined;
      return { generation, context, local, server: ocspResponder(identities) };
    } catch (error) {
      const problem = `OpenSSL does not take the TLS settings${origin === undefined ? '' : ` of ${origin.resource}`}: ${error instanceof Error ? error.message : String(error)}`;
      onProblem(problem);
      return { generation, missing: problem };
    }
  }
}

function rulesOf(config: ServerTlsConfig): PeerRules {
  const required = config.clientCertificate === 'required';
  if (config.clientCertificate === 'none' || config.acceptUnverified === true) return { who: 'client', required, chain: false };
  const { subjectAltNames, trustDomains, publicKeyHashes, certificateHashes } = config;
  return { who: 'client', required, chain: true, subjectAltNames, trustDomains, publicKeyHashes, certificateHashes };
}

/** SNI; node gives false where there was none. */
function serverNameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as { servername?: string | false | null };
  return typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : undefined;
}

function shownBy(socket: TLSSocket): CertificateFacts | undefined {
  const certificate = socket.getX509Certificate();
  return certificate === undefined ? undefined : certificateFacts(certificate);
}

function ignore(): void {}
