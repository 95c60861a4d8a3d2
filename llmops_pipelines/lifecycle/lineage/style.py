"""The look of a page: one style sheet that is written into it. Colours come in pairs, for light and for dark."""

STYLE = """
:root{--paper:#fcfbf9;--raised:#fff;--ink:#22262b;--quiet:#69707a;--line:#e3e0da;--good:#1b7a4a;--bad:#b1362c;--tone:#35618e;
--good-back:#e9f5ee;--bad-back:#fbecea;--shade:#f3f1ec;--edge:#0000001f;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--paper:#15181b;--raised:#1b1f23;--ink:#dfe3e7;--quiet:#949ca5;--line:#30363c;
--good:#62c08f;--bad:#ef8a7f;--tone:#83b1de;--good-back:#173024;--bad-back:#3a1f1d;--shade:#20252a;--edge:#0009}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:66rem;margin:0 auto;padding:2.5rem 1.25rem 5rem}
h1{font-size:1.65rem;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;font-weight:650;margin:2.6rem 0 .7rem;overflow-wrap:anywhere}
p{margin:.5rem 0}.quiet{color:var(--quiet)}.good{color:var(--good)}.bad{color:var(--bad)}
code,.mono,.edit{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86em}
.answer{font-size:1.1rem;border-left:4px solid var(--tone);background:var(--raised);padding:.8rem 1.1rem;margin:0 0 1.2rem;
border-radius:0 .4rem .4rem 0;box-shadow:0 1px 3px #0000000f;overflow-wrap:anywhere;white-space:pre-line}
.answer.good{border-color:var(--good);color:inherit}.answer.bad{border-color:var(--bad);color:inherit}
.answer.quiet{border-color:var(--line);color:inherit}
nav{font-size:.92rem;margin:1.4rem 0 0}nav ol{columns:16rem;margin:.3rem 0;padding-left:1.4rem}nav a{overflow-wrap:anywhere}
a{color:var(--tone);text-decoration:none}a:hover{text-decoration:underline}
.next{list-style:none;padding:0;margin:1rem 0}.next li{margin:.55rem 0}
.next code{display:block;background:var(--shade);border-radius:.35rem;padding:.45rem .7rem;white-space:pre-wrap;
overflow-wrap:anywhere}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch;border:1px solid var(--line);border-radius:.45rem;
background:linear-gradient(90deg,var(--raised) 40%,transparent) left/2.5rem 100% no-repeat local,
linear-gradient(270deg,var(--raised) 40%,transparent) right/2.5rem 100% no-repeat local,
linear-gradient(90deg,var(--edge),transparent) left/.8rem 100% no-repeat scroll,
linear-gradient(270deg,var(--edge),transparent) right/.8rem 100% no-repeat scroll,var(--raised)}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.42rem .8rem;border-bottom:1px solid var(--line);white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
th{font-weight:600;color:var(--quiet);font-size:.84rem;border-bottom-width:2px}
td.wide{white-space:pre-line;min-width:17rem;max-width:34rem;overflow-wrap:break-word}
th.right,td.right{text-align:right}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.1rem 1.4rem;margin:0;font-size:.95rem}
dt{color:var(--quiet);overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}
.edit{border:1px solid var(--line);border-radius:.45rem;background:var(--raised);overflow:hidden;
padding:.35rem 0;line-height:1.5}
.edit>*{display:block;text-decoration:none;white-space:pre-wrap;overflow-wrap:anywhere;padding:.08rem .8rem .08rem 2rem;
text-indent:-1.2rem;min-height:1.5em}
.edit>*::before{content:attr(data-sign);display:inline-block;width:1.2rem;text-indent:0;color:var(--quiet)}
.edit ins{background:var(--good-back)}.edit del{background:var(--bad-back)}
.edit ins::before{color:var(--good)}.edit del::before{color:var(--bad)}
.edit mark{background:none;color:inherit;font-weight:700;text-decoration:underline;text-decoration-thickness:1px;
text-underline-offset:3px}
.bars{display:grid;grid-template-columns:minmax(6rem,max-content) minmax(8rem,1fr) max-content;gap:.3rem 1rem;
align-items:center;font-size:.93rem;font-variant-numeric:tabular-nums}
.bars .name{overflow-wrap:anywhere;max-width:22rem}.bars svg{width:100%;height:26px;display:block}
.number .quiet{font-size:.85em;white-space:nowrap}
svg line,svg path,svg polyline{vector-effect:non-scaling-stroke;fill:none}
.zero{stroke:var(--quiet);stroke-width:1}.whisker{stroke:var(--ink);stroke-width:1.4}
.above{fill:var(--tone);opacity:.75}.below{fill:var(--bad);opacity:.75}.unsure{fill:var(--quiet);opacity:.4}
.series{display:grid;grid-template-columns:max-content 1fr;gap:.2rem .7rem;font-size:.82rem;color:var(--quiet);
font-variant-numeric:tabular-nums}
.series svg{width:100%;height:190px;display:block}
.scale{display:flex;flex-direction:column;justify-content:space-between;text-align:right;padding:5px 0}
.ends{grid-column:2;display:flex;justify-content:space-between;gap:1rem}
.grid{stroke:var(--line);stroke-width:1}.course{stroke:var(--tone);stroke-width:2;stroke-linejoin:round}
.dot,.marked{stroke:var(--tone);stroke-width:6;stroke-linecap:round}.marked{stroke:var(--bad);stroke-width:12}
.named{list-style:none;padding:0;margin:.5rem 0;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;font-size:.93rem}
.named li::before{content:"";display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.45rem;
background:var(--bad)}
@media(max-width:36rem){main{padding:1.5rem 1rem 4rem}h1{font-size:1.35rem}.answer{font-size:1.02rem}
td.wide{min-width:13rem}th,td{padding:.4rem .6rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.55rem}
.bars{grid-template-columns:1fr auto;gap:.1rem .7rem}.bars .name{grid-column:1/-1;margin-top:.5rem}
.number{text-align:right}.number .quiet{display:block}
.series svg{height:150px}}
@media print{:root{--paper:#fff;--raised:#fff;--shade:#f5f5f5;--ink:#000;--quiet:#555;--line:#ccc;--good:#1b7a4a;--bad:#b1362c;
--tone:#35618e;--good-back:#e9f5ee;--bad-back:#fbecea}main{max-width:none;padding:0}body{font-size:11pt}nav{display:none}
.scroll{overflow:visible;border:0}th,td{white-space:normal}h2{break-after:avoid}tr,.bars,.series,.answer{break-inside:avoid}
.above,.below,.unsure,.edit ins,.edit del{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
