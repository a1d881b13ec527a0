/** TLS of connections to upstream hosts: the handshake, and whether the host's certificate is one the configuration trusts. */

import { isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { ClientTlsConfig, TlsParameters } from '../../config/runtime/tls.ts';
import type { Clock } from '../base/clock.ts';
import { chainErrorOf } from '../base/tls-socket.ts';
import type { ConnectionSecurity } from '../stream/connection-security.ts';
import type { ClientContexts } from './client-contexts.ts';
import { Handshake } from './handshake.ts';
import { certificateFacts, type CertificateFacts } from './peer.ts';
import type { IdentitySecret } from './secret.ts';
import { missingSecret, type SecretStore } from './secret-store.ts';
import type { KnownSession, SessionCache } from './session-cache.ts';
import { contextDigest, createClientContext, protocolList } from './tls-context.ts';
import type { TlsEvents, TlsFailure } from './tls-events.ts';
import { countFailure, secretNotReady } from './tls-failure.ts';
import { refusePeer, type PeerRules } from './verify.ts';

/** What one connection adds to the cluster's configuration. */
export interface ClientTlsRequest {
  /** Sent instead of what the configuration and `host` would give. */
  readonly serverName?: string | undefined;
  /** Host of the request without port: the server name where the configuration has none (never for an address), and what checkHost compares. */
  readonly host?: string | undefined;
  /** Offered where the configuration has no list of its own; empty: none. */
  readonly alpn: readonly string[];
}

export interface ClientTlsDeps {
  readonly clock: Clock;
  readonly store: SecretStore;
  readonly contexts: ClientContexts;
  readonly sessions: SessionCache;
  /** OpenSSL does not take the configuration; told once for each generation of secrets. */
  readonly onProblem: (sentence: string) => void;
}

interface Material {
  readonly generation: number;
  readonly context: SecureContext;
  readonly identity: IdentitySecret | undefined;
  /** Of the context; part of the session's key. */
  readonly digest: string;
}

interface Missing {
  readonly generation: number;
  readonly missing: string;
}

export class ClientTls {
  readonly config: ClientTlsConfig;
  readonly #deps: ClientTlsDeps;
  readonly #parameters: TlsParameters;
  #material: Material | Missing | undefined;
  /** The list offered last, and its form on the wire: requests of a cluster mostly offer the same. */
  #offered: readonly string[] = [];
  #offeredList: Buffer | undefined;

  constructor(config: ClientTlsConfig, deps: ClientTlsDeps) {
    const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3', cipherSuites, curves } = config;
    this.config = config;
    this.#deps = deps;
    this.#parameters = { minVersion, maxVersion, ...(cipherSuites === undefined ? {} : { cipherSuites }), ...(curves === undefined ? {} : { curves }) };
  }

  /** `socket` is connected and nothing has been written or read. The returned function gives up, silently. */
  secure(socket: Socket, request: ClientTlsRequest, events: TlsEvents): () => void {
    const material = this.#current();
    if ('missing' in material) {
      const failure = secretNotReady(material.missing);
      countFailure(events.counters, failure);
      socket.on('error', ignore);
      socket.destroy();
      events.onFailure(failure);
      return ignore;
    }
    const { sessions, clock } = this.#deps;
    const serverName = this.#serverNameFor(request);
    const alpn = this.config.alpn ?? request.alpn;
    const list = this.#listOf(alpn);
    const sessionKey = `${material.digest} ${socket.remoteAddress} ${socket.remotePort} ${serverName} ${alpn.join()}`;
    const known = sessions.find(sessionKey, material.generation);
    const secure = connect({
      socket,
      secureContext: material.context,
      // The chain and the names are judged here, each failure with its own sentence.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(list === undefined ? {} : { ALPNProtocols: list }),
      ...(known === undefined ? {} : { session: known.ticket }),
    });
    const rules = this.#rulesFor(request);
    const tickets = new Tickets((session) => sessions.store(sessionKey, material.generation, session));
    secure.on('session', (ticket: Buffer) => tickets.add(ticket));
    const handshake = new Handshake(secure, socket, events, {
      clock,
      who: 'server',
      judge: (done) => {
        const peer = secure.isSessionReused() ? known?.peer : certificateOf(done);
        const verdict = judge(done, { rules, peer, identity: material.identity, serverName, now: clock.wallTime() / 1000 });
        if ('kind' in verdict) sessions.forget(sessionKey);
        else tickets.keep(peer);
        return verdict;
      },
    });
    return () => handshake.giveUp();
  }

  /** Names that DNS could not have are not sent; neither are addresses (RFC 6066 3). */
  #serverNameFor({ serverName, host }: ClientTlsRequest): string | undefined {
    const name = serverName ?? this.config.sni ?? host;
    if (name === undefined || isIP(name) !== 0 || !SENDABLE.test(name)) return undefined;
    return name;
  }

  #rulesFor({ host }: ClientTlsRequest): PeerRules {
    const { trust, subjectAltNames, checkHost } = this.config;
    if (trust === undefined) return { who: 'server', required: false, chain: false, subjectAltNames };
    // A host that is not known cannot be compared with: without names to look for, the chain is all there is.
    return { who: 'server', required: true, chain: true, subjectAltNames, host: subjectAltNames === undefined && checkHost === true ? host : undefined };
  }

  #listOf(alpn: readonly string[]): Buffer | undefined {
    if (alpn !== this.#offered) {
      this.#offered = alpn;
      this.#offeredList = protocolList(alpn);
    }
    return this.#offeredList;
  }

  #current(): Material | Missing {
    const { generation } = this.#deps.store;
    if (this.#material?.generation !== generation) this.#material = this.#build(generation);
    return this.#material;
  }

  #build(generation: number): Material | Missing {
    const { store, contexts, onProblem } = this.#deps;
    const { identity: shown, trust: trusted, origin } = this.config;
    const identity = shown === undefined ? undefined : store.identity(shown);
    if (shown !== undefined && identity === undefined) return { generation, missing: missingSecret(shown, store) };
    const trust = trusted === undefined ? undefined : store.trust(trusted);
    if (trusted !== undefined && trust === undefined) return { generation, missing: missingSecret(trusted, store) };
    const digest = contextDigest(this.#parameters, [identity, trust]);
    try {
      const context = contexts.take(digest, generation, () => createClientContext(this.#parameters, identity, trust));
      return { generation, context, identity, digest };
    } catch (error) {
      const of = origin === 'default' ? '' : ` of ${origin.resource}`;
      const problem = `OpenSSL does not take the TLS settings${of}: ${error instanceof Error ? error.message : String(error)}`;
      onProblem(problem);
      return { generation, missing: problem };
    }
  }
}

const SENDABLE = /^[\x21-\x7e]{1,255}$/;

/** Tickets are kept once their connection's peer has been verified; those of TLS 1.2 come before that. */
class Tickets {
  readonly #store: (session: KnownSession) => void;
  #early: Buffer | undefined;
  #verified: { readonly peer: CertificateFacts | undefined } | undefined;

  constructor(store: (session: KnownSession) => void) {
    this.#store = store;
  }

  add(ticket: Buffer): void {
    if (this.#verified === undefined) this.#early = ticket;
    else this.#store({ ticket, peer: this.#verified.peer });
  }

  keep(peer: CertificateFacts | undefined): void {
    this.#verified = { peer };
    if (this.#early !== undefined) this.#store({ ticket: this.#early, peer });
  }
}

interface Judged {
  readonly rules: PeerRules;
  readonly peer: CertificateFacts | undefined;
  readonly identity: IdentitySecret | undefined;
  readonly serverName: string | undefined;
  /** Seconds since the epoch. */
  readonly now: number;
}

function judge(socket: TLSSocket, { rules, peer, identity, serverName, now }: Judged): TlsFailure | ConnectionSecurity {
  const refusal = refusePeer(rules, peer, chainErrorOf(socket), now);
  if (refusal !== undefined) return refusal;
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    serverName: serverName?.toLowerCase(),
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    mutual: identity !== undefined && rules.chain,
    peer,
    local: identity?.certificates[0],
    resumed: socket.isSessionReused(),
  };
}

function certificateOf(socket: TLSSocket): CertificateFacts | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : certificateFacts(certificate);
}

function ignore(): void {}
