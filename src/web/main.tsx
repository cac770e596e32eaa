import { render } from 'preact';
import { App } from './app.tsx';
import { storedTheme, wearTheme } from './parts/theme.tsx';

const place = document.getElementById('app');
if (!place) throw new Error('the page has no #app');
wearTheme(storedTheme());
render(<App />, place);
