import { Markup } from './markup.ts';

/** The style sheet of the page: light and dark, one column on a phone, two on a desk, and plain on paper. */
export const pageStyle = new Markup(`
:root { color-scheme: light dark;
  --back: #fff; --text: #1c2330; --soft: #5b6575; --rule: #dfe3ea; --panel: #f6f8fb;
  --one: #1d6fd1; --two: #d9822b; --three: #8a3ffc; --good: #17803d; --bad: #c02626; --open: #8a6100; }
@media (prefers-color-scheme: dark) { :root {
  --back: #12161d; --text: #e6e9ef; --soft: #9aa5b5; --rule: #2c3441; --panel: #1a2029;
  --one: #5aa5f5; --two: #f0a45a; --three: #b892ff; --good: #4cc27a; --bad: #ff7b72; --open: #e0b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 24px 16px 48px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 0 0 8px; overflow-wrap: anywhere; }
.soft, figcaption + p { color: var(--soft); }
.verdict { display: inline-block; margin: 12px 0 4px; padding: 6px 14px; border-radius: 6px; font-weight: 600;
  border: 2px solid currentColor; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 20px 0 0; padding: 0; }
.tiles > div { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
.tiles dt { color: var(--soft); font-size: 13px; } .tiles dd { margin: 0; font-size: 19px; font-weight: 600; white-space: nowrap; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px; align-items: start; }
figure { margin: 0; padding: 14px; background: var(--panel); border-radius: 8px; min-width: 0; }
figcaption { font-weight: 600; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
svg text { fill: var(--text); font: 12px system-ui, sans-serif; } svg .tick { fill: var(--soft); font-size: 11.5px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.marker { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.one { stroke: var(--one); } .line.two { stroke: var(--two); stroke-dasharray: 5 3; }
.bar.one { fill: var(--one); } .bar.two { fill: var(--two); } .bar.three { fill: var(--three); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; color: var(--soft); padding: 4px 0; }
th, td { padding: 5px 14px 5px 0; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap; } tbody th { font-weight: 500; min-width: 120px;
  overflow-wrap: anywhere; }
.n { text-align: right; white-space: nowrap; } .whole { white-space: nowrap; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--soft); }
details.violation { border-left: 3px solid var(--bad); padding: 2px 0 2px 12px; } details.violation summary { color: var(--text);
  overflow-wrap: anywhere; }
pre { margin: 8px 0; padding: 10px; background: var(--panel); border-radius: 6px; overflow-x: auto; font-size: 13px; }
@media print { details > * { display: block; } .plots { grid-template-columns: 1fr 1fr; } }
`);
