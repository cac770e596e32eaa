/**
 * The layers of the house, lowest first. A file may import its own layer and the layers before it;
 * `only` narrows that where the design says so (device is a client like any other: it never sees the service).
 */
const layers = [
  'core',
  'codec',
  'pki',
  'secure',
  'coap',
  'transport',
  'store',
  'provision',
  'operator',
  'dialects',
  'cloud',
  'device',
  'fleet',
  'ops',
  'config',
  'api',
  'cli',
];

const upward = layers.map((layer, at) => ({
  name: `${layer}-looks-only-down`,
  comment: `src/${layer} may import only ${layers.slice(0, at + 1).join(', ')}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: `^src/`, pathNot: `^src/(${layers.slice(0, at + 1).join('|')})/` },
}));
// The API takes groups and hubs in the form of policy files.
upward[layers.indexOf('api')].to.pathNot += '|^src/config/';
// The commands are the top of the house: they also compose through the package's own root files.
upward.at(-1).to.pathNot = '^src/';

const forbid = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
});
const ownedBy = (name, module, owner) => ({
  name,
  severity: 'error',
  comment: `${module} belongs to ${owner}`,
  from: { path: '^src/', pathNot: owner },
  to: { path: module },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        path: '^src/',
        pathNot: '^src/(index|main)\\.ts$|^src/cli/main\\.ts$|^src/web/main\\.tsx$',
      },
      to: {},
    },
    ...upward.filter((rule) => rule.to.pathNot !== '^src/'),
    forbid(
      'provision-has-no-transport',
      '^src/provision/',
      '^src/(transport|dialects|coap|secure)/',
      'the pipeline knows neither sockets nor a wire language',
    ),
    forbid(
      'dialects-have-no-table',
      '^src/dialects/',
      '^src/(transport|store/level)',
      'a dialect parses, calls stages and renders',
    ),
    {
      name: 'dashboard-is-a-client',
      severity: 'error',
      comment:
        'src/web runs in a browser: of the rest of the house it knows types, and the table of codes and their words',
      from: { path: '^src/web/' },
      to: { path: '^src/', pathNot: '^src/(web/|core/errors\\.ts$)', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'dashboard-is-bundled',
      severity: 'error',
      comment: 'nobody but the bundle imports src/web',
      from: { path: '^src/', pathNot: '^src/web/' },
      to: { path: '^src/web/' },
    },
    forbid(
      'device-is-a-client',
      '^src/(device|fleet)/',
      '^src/(provision|dialects|store|api)/',
      'the device side is a client like any other',
    ),
    ownedBy('sockets-in-transport', '^(node:)?(dgram|net|tls)$', '^src/transport/'),
    ownedBy('cbor-x-in-codec', 'node_modules/cbor-x/', '^src/codec/cbor\\.ts$'),
    ownedBy('level-in-its-store', 'node_modules/level/', '^src/store/level-medium\\.ts$'),
    ownedBy('x509-library-off-the-hot-path', 'node_modules/@peculiar/x509/', '^src/cli/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
