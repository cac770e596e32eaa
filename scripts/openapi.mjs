// Writes docs/openapi.json, the description of the API, from its routes.
import { writeFileSync } from 'node:fs';
import { openApiDocument } from '../src/api/openapi.ts';
import { routes } from '../src/api/routes/index.ts';
import { version } from '../src/version.ts';

const file = new URL('../docs/openapi.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(openApiDocument(routes, version), null, 2)}\n`);
