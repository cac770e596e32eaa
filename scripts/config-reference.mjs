// Writes docs/configuration.md from the schema of firstboot.yaml and the table of settings.
import { writeFileSync } from 'node:fs';
import { configurationPage } from '../src/config/reference.ts';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());
