/**
 * Which host Envoy 1.40 sends a key to: recorded from the real one (hash policy: header, one request per key), for hosts
 * on port 39140 of the addresses given.
 */

export interface EnvoyPicks {
  readonly policy: 'RING_HASH' | 'MAGLEV';
  readonly minimumRingSize?: number;
  readonly tableSize?: number;
  readonly localityWeighted?: boolean;
  readonly hosts: readonly EnvoyHost[];
  /** One digit per key of KEYS: an index into `hosts`. */
  readonly picks: string;
}

export interface EnvoyHost {
  readonly address: string;
  readonly weight?: number;
  readonly sick?: boolean;
  readonly priority?: number;
  readonly locality?: string;
  readonly localityWeight?: number;
}

/** `user-0` … `user-159`, then 40 odd ones of up to 89 bytes. */
export const KEYS: readonly string[] = [
  ...Array.from({ length: 160 }, (_, i) => `user-${i}`),
  'hgfl_a9fjl5qv-rhr7nkye.w6xa3_yr0-2.uzn04lan73sd',
  'gl',
  '0.3fek.g4eo8pgp9334-i38.lvp1l9l0ckrah-5918l6eiukt7h_ed6gg3gpfd61488hq.4nxna0fup',
  'n-2b-4r89xnef1yn_g1ge23isyb0skoituf8q2fhg9x54.mky-8o-3_6ewg3jygfacdvm0p9-emsnlah55pywr',
  's-jh3lw-zoc-0..j9i~vtgg-8e46~0zfjwx.sjov2z-gy4azxjj8~9',
  '.etjz0903t~o88~6mi6y.h11leg8ou0e1t9nrv-n3wqxcurn57sym3v',
  'e8exrt2.ur0lb5~mj26a1bytt-8~a_y_o.',
  '~ay_n7.u55qiyndfl-fdynqse.ywxa5640c4j-_7kio7cz7ndc0hrifr93ezmqp5tflrt9q6jz',
  '-nec710cawa.tacqqbgegq1d8hgl7kohmf6vid8een9r0o9_0p3n~5_46dr5librrmfjbjmox3ah2rr',
  'a890cwx7ed2pd0qxc49cdwkt8.b3blqpgc.rary-7h~3wg_e0pau~',
  '39_zt-ju3dx25',
  '.bs4b34n_rl9jfdmuu0rrkgae6j_75~r-naeduebz7st_',
  '4btql~__4a-wknz',
  '_7c-apea_~gpajtbctp-83y7jeii7-7-x-5tj8oxvt-dg4ntl9fw14~ayh',
  'mtz5-pw3~b0z3esiziwv8_fl7g9kscew_dwmcza~7~hbeuqhicf2fq3',
  '-hw',
  'p2dn879uad975vt_6tb',
  'rmpd',
  'hgmtvfayzudu4s2e9-vds~42~bcd1xab2_jga1i6i8-7l~6rsnwoumvcta.ish5f~n_ja3_agoxo~qgppswuxl',
  '_6585z~ie_ub~9.ofcww-oyjpy8x._aeccr-50lzcqjlc3q2dqvz~.1uzalsrx2',
  '8yufafifn.at.0.rp~9.4lgv_',
  'aliff~eci.u1-24syy7yi',
  'wke~4p~vsc2kd_uv.p7d46nuxce64q~htxpm60t1qjpi6yvx480pcmetism0p3',
  'a4z8j4~',
  'gml9lol-',
  'z2qd~',
  '1-1365srjvf.gskxsfw-nsk0o5jbmgsie1n~1wpklm0jhjh91cpvn670nwxshknklyhk16en9u~-2hk',
  'c.o.r.fd~5w873aqfi3fi3z~rtippq9fqt971-4raq4~ue.e1j.32pe7w-f-z7bsh22r1c.f',
  'fkh6--6-q8sn8~wqicv8f20zbrmbrbpw3wg.vjj-f-a6-upp1',
  '86p',
  's-c854ntx2babzc6u1nnaa9yyia6_8bb8l--zvl8swx21g523qmv38lmpszmrbi5b_708nlg6l8',
  'ixcym.tcs55xw.-y4xqx20c2-hgs',
  'qlq.5rg8xprf70kjsxr52_r.5gtaw6i-nx29unv0',
  'v4wzsjk2a8pi.cgxtuxwx982atc-6tnmds0992jdw2bgxai~9uyzda8l73tlibfslb7dfh32w8x7pq26g44rl95db',
  'caxs6ner_ls0i7i~d5nn-lo25c~2f~nrzb73-zvu4a5x57s7m9f4j0hoy7pjv',
  '0r0z0q4unj~_byab63dakvm7rl1~i3r6pfwa60mbbaye585788c_xexpl-fir-d7u6',
  '.~69.ap_n3dpwp09s_2t~stbr_lijj9tnz_lfg4h6umvgqnawbcb9bvi-w9_5dj8dgtqi21x',
  '3z6vi1~g1i-j.6cnb.se6e-cgf0x67o-~7~kkd08rv6od6aig23sxod_gep--t_rx5oo--k7xf',
  'hv7mqe_',
  'jrpy527rfqc9aawx5k1ph37rwa~hex.m-krwyp3t0r-m.lsb4a3sy248zstv6o2dsaz',
];

/** Several lines of the header hashed by: two of KEYS each, then three. */
export const KEY_SETS: readonly (readonly string[])[] = KEYS.map((key, i) =>
  (i < 100 ? [i, i * 7 + 37] : [i, i * 3 + 5, i * 7 + 1]).map((at) => (at === i ? key : (KEYS[at % KEYS.length] as string))),
);

const FIVE_HOSTS: readonly EnvoyHost[] = [1, 2, 3, 4, 5].map((last) => ({ address: `127.0.0.${last}:39140` }));

/** One digit per set of KEY_SETS; the lines in the opposite order led to the same hosts. */
export const ENVOY_PICKS_BY_SET: readonly EnvoyPicks[] = [
  {
    policy: 'RING_HASH',
    hosts: FIVE_HOSTS,
    picks: '14301410041011410121301344222240230411410040432141121011321104304441302023203032342131012023102344222213432213022243213123341144244310140100120012201102243224021401100340220314402214224423341302421124',
  },
  {
    policy: 'MAGLEV',
    hosts: FIVE_HOSTS,
    picks: '02322140434301202400101130344210110341043202411220441243244204232443421320434041141010400341404322341442001403413242333100102121102124110411424032022430342021044010212224013022233034204104203043403131',
  },
];

export const ENVOY_PICKS: Readonly<Record<string, EnvoyPicks>> = {
  'ring of five': {
    policy: 'RING_HASH',
    hosts: [
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.3:39140' },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.5:39140' },
    ],
    picks: '24342014141411300404010220204033322444210311334101340202432442304442124142001104422122411102301030123043021021332210024233321030322103430204442104242431222440230304444321102434212211301420224104031324',
  },
  'ring by weight': {
    policy: 'RING_HASH',
    hosts: [
      { address: '127.0.0.1:39140', weight: 1 },
      { address: '127.0.0.2:39140', weight: 2 },
      { address: '127.0.0.3:39140', weight: 5 },
      { address: '127.0.0.4:39140', weight: 3 },
    ],
    picks: '22302313121231223022210222202033322232233311331121230232322322300322120122011102332122211202201032223223021222332212222233323233332103230202202103222232222220230332133322232031222221232120232123331222',
  },
  'small ring': {
    policy: 'RING_HASH',
    minimumRingSize: 7,
    hosts: [
      { address: '127.0.0.5:39140' },
      { address: '127.0.0.3:39140' },
      { address: '127.0.0.9:39140' },
    ],
    picks: '21212222102121122010112220111202211220121121212122211211121211212122121201212212221211210212222120121021120120202122020101212010212012012211121011112120222012212111122112021120011020221111001101220220',
  },
  'large ring': {
    policy: 'RING_HASH',
    minimumRingSize: 100000,
    hosts: [
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.3:39140' },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.5:39140' },
      { address: '127.0.0.6:39140' },
      { address: '127.0.0.7:39140' },
    ],
    picks: '53123106061111300042035330551253443423046244134031525155125344564124241520521416430261636432140632302131466045260332514352404356536650255603030154514536662460312112204460000244654200150012052113564450',
  },
  'ring without the sick': {
    policy: 'RING_HASH',
    hosts: [
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.3:39140', sick: true },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.5:39140' },
      { address: '127.0.0.6:39140', sick: true },
      { address: '127.0.0.7:39140' },
    ],
    picks: '64346014141411300406010660604063313446110361334166340406463446366641164143001104414164416161601036103063061061330610064633301630304103430104463104061431361440130304464366103434611611301430064164031364',
  },
  'ring in panic': {
    policy: 'RING_HASH',
    hosts: [
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.3:39140', sick: true },
      { address: '127.0.0.4:39140', sick: true },
      { address: '127.0.0.5:39140', sick: true },
    ],
    picks: '24342014141411300404010220204033322444210311334101340202432442304442124142001104422122411102301030123043021021332210024233321030322103430204442104242431222440230304444321102434212211301420224104031324',
  },
  'rings of two priorities, 70 / 30': {
    policy: 'RING_HASH',
    hosts: [
      { address: '127.0.0.1:39140', sick: true },
      { address: '127.0.0.2:39140', sick: true },
      { address: '127.0.0.3:39140' },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.5:39140', priority: 1 },
      { address: '127.0.0.6:39140', priority: 1 },
    ],
    picks: '32535343545234255222232354233334352244533332333422233254422324332342322532253345332342423252254334233223422222332232225533523233535333235232222233245233252232233532253332242334522232342344243353345422',
  },
  'ring by locality weight': {
    policy: 'RING_HASH',
    localityWeighted: true,
    hosts: [
      { address: '127.0.0.1:39140', weight: 1, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.2:39140', weight: 2, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.3:39140', weight: 3, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.4:39140', weight: 4, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.5:39140', weight: 5, locality: 'b', localityWeight: 30 },
      { address: '127.0.0.6:39140', weight: 6, locality: 'b', localityWeight: 30 },
    ],
    picks: '24542313151231353401310225202053522244533311333131540232352342334422124152551104432122111105551031123543351023332211525533323533532233435224445154242435252420230332543323332434215211335430234134331324',
  },
  'maglev of five': {
    policy: 'MAGLEV',
    hosts: [
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.3:39140' },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.5:39140' },
    ],
    picks: '41222044102131423114420213201232114024214041140031002211303424421401034121434320300301414210024344013020312432224031340034421424022023133001011011444313244001231222224223040400241033420233442424343144',
  },
  'maglev in any order': {
    policy: 'MAGLEV',
    hosts: [
      { address: '127.0.0.11:39140' },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.9:39140' },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.10:39140' },
    ],
    picks: '21222415123032215113404023045234110443211411122431540011343235251241424152035312340042010414402244413404315524502025214432202055405553122451512410022353503441255022053205024504441533534205400235023123',
  },
  'maglev by weight, small table': {
    policy: 'MAGLEV',
    tableSize: 1009,
    hosts: [
      { address: '127.0.0.1:39140', weight: 1 },
      { address: '127.0.0.2:39140', weight: 3 },
      { address: '127.0.0.3:39140', weight: 5 },
      { address: '127.0.0.4:39140', weight: 7 },
    ],
    picks: '31211031303311232032201223302322332122322312130323230222223332123212333233223313331023331333132322100133212233213023222233232212033333332330321312313303133103313223132332333123132233323122332233223113',
  },
  'maglev without the sick': {
    policy: 'MAGLEV',
    hosts: [
      { address: '127.0.0.1:39140', sick: true },
      { address: '127.0.0.2:39140' },
      { address: '127.0.0.3:39140' },
      { address: '127.0.0.4:39140' },
      { address: '127.0.0.5:39140' },
      { address: '127.0.0.6:39140', sick: true },
      { address: '127.0.0.7:39140' },
    ],
    picks: '46226244142631426164426213261236114624214361144631122211363424421421164161434626664361414212164346663626362432224466346234621426422423163141461216444316244266231266224226664662241133422233442424343644',
  },
  'maglev by locality weight': {
    policy: 'MAGLEV',
    localityWeighted: true,
    hosts: [
      { address: '127.0.0.1:39140', weight: 1, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.2:39140', weight: 2, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.3:39140', weight: 3, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.4:39140', weight: 4, locality: 'a', localityWeight: 70 },
      { address: '127.0.0.5:39140', weight: 5, locality: 'b', localityWeight: 30 },
      { address: '127.0.0.6:39140', weight: 6, locality: 'b', localityWeight: 30 },
    ],
    picks: '41222244122133523114420213201232314324214341145031125215335423421401134151434325303502432210022345015520313435223535353034452423022023133131512011344313244211231235224223243400551533420253552432553143',
  },
  'ring with IPv6': {
    policy: 'RING_HASH',
    hosts: [
      { address: '[::1]:39140' },
      { address: '127.0.0.1:39140' },
      { address: '127.0.0.2:39140' },
    ],
    picks: '10012112202222111110100020112110021121121222221010011200002102211112201201102210020202221212112020210010122002201121000122020011120210021010212201111220222020212012000012201000121122210221001212122200',
  },
};
