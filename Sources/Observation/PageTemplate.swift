// Written by web/build from web/page.html.
enum PageTemplate {
    static let head =
        #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Spillway</title>
        <link rel="icon" href="data:,">
        <noscript><meta http-equiv="refresh" content="10"></noscript>
        <style>
        :root { --ink: #1d2430; --soft: #5c6778; --paper: #f6f7f9; --card: #fff; --line: #d7dce3; --dsl: #2474b5; --lte: #e08a12;
          --good: #1c7c43; --bad: #c02a2a }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e6e9ee; --soft: #9aa5b5; --paper: #14181f; --card: #1d232d; --line: #333c4a; --dsl: #58a6e6;
            --lte: #f2a93b; --good: #5ac487; --bad: #ff7b72 }
        }
        * { box-sizing: border-box }
        body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
          font: 16px/1.45 system-ui, sans-serif }
        h1 { font-size: 1.4rem; margin: 0 }
        h2 { font-size: 1.05rem; margin: 0 0 .4rem }
        small, dt, time, .axis, .key, figcaption span { color: var(--soft); font-weight: normal }
        small { font-size: .85em }
        section { margin: 1rem 0 }
        .state { margin: .3rem 0 0; padding-left: .7rem; border-left: .3rem solid var(--good); font-size: 1.1rem }
        .state.bad { border-color: var(--bad) }
        .state small { display: block }
        .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 1rem }
        article, .wide, figure, .scroll, ol { background: var(--card); border: 1px solid var(--line); border-radius: .5rem }
        article { padding: .8rem 1rem; border-top: .3rem solid var(--dsl) }
        article.lte { border-top-color: var(--lte) }
        article.good h2 small { color: var(--good) }
        article.bad h2 small { color: var(--bad); font-weight: bold }
        dl { margin: 0 }
        dl div { display: flex; gap: .6rem; padding: .15rem 0 }
        dt { flex: 0 0 6.2rem }
        dd { margin: 0; flex: 1; min-width: 0; overflow-wrap: anywhere }
        meter { display: block; width: 100%; height: .7rem }
        .wide { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); padding: .6rem 1rem }
        .wide div { display: block }
        .wide dd { font-size: 1.2rem }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 1rem }
        figure { margin: 0 0 .5rem; padding: .6rem 1rem }
        figcaption { display: flex; justify-content: space-between }
        svg { display: block; width: 100%; height: 9rem; background: var(--paper) }
        svg .dsl { fill: var(--dsl) }
        svg .lte { fill: var(--lte) }
        svg .grid { stroke: var(--line); vector-effect: non-scaling-stroke }
        svg .mark { stroke: var(--soft); stroke-dasharray: 3 3; vector-effect: non-scaling-stroke }
        svg .bad { stroke: var(--bad); stroke-dasharray: none }
        .axis { display: flex; justify-content: space-between; margin: .1rem 0 0; font-size: .85rem }
        .key { grid-column: 1 / -1; margin: 0; font-size: .9rem }
        .key span { margin-right: 1rem; white-space: nowrap }
        .key span::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .35em;
          border-left: 2px dashed var(--soft) }
        .key .dsl::before { background: var(--dsl); border: 0 }
        .key .lte::before { background: var(--lte); border: 0 }
        .key .bad::before { border-left: 2px solid var(--bad) }
        .scroll { overflow-x: auto }
        table { border-collapse: collapse; width: 100% }
        th, td { text-align: left; padding: .35rem .8rem; border-bottom: 1px solid var(--line); white-space: nowrap }
        th { color: var(--soft); font-weight: normal }
        th:nth-child(n+3), td:nth-child(n+3) { text-align: right; font-variant-numeric: tabular-nums }
        tbody tr:last-child td { border: 0 }
        ol { list-style: none; margin: 0; padding: .4rem 1rem; font-size: .95rem }
        li { padding: .15rem 0; overflow-wrap: anywhere }
        li.bad { color: var(--bad) }
        time { display: inline-block; min-width: 8.5rem }
        footer { color: var(--soft); font-size: .85rem }
        a { color: inherit }
        .stale main { opacity: .45 }
        .stale footer::before { content: "No answer from the daemon. "; color: var(--bad); font-weight: bold }
        </style>
        </head>
        <body>
        <main>

        """#
    static let tail =
        #"""

        </main>
        <footer>Read-only. <a href="/metrics">Metrics</a>, <a href="/facts.json">JSON</a>.</footer>
        <script>
        const main = document.querySelector("main");
        async function refresh() {
          try {
            const answer = await fetch("/live");
            if (answer.ok) main.innerHTML = await answer.text();
            document.body.classList.toggle("stale", !answer.ok);
          } catch {
            document.body.classList.add("stale");
          }
          setTimeout(refresh, document.hidden ? 10000 : 2000);
        }
        setTimeout(refresh, 2000);
        </script>
        </body>
        </html>

        """#
}

extension Page {
    /// Content-Security-Policy: nothing but what is in the page and what it asks this server for.
    public static let policy =
        #"""
        default-src 'none'; style-src 'sha256-Gh+WFMs5CLXNrnAKVA/0OUSAFL/9lHA9hDxnbR0ExeY='; script-src 'sha256-QAVHM86HhC4CYfjctP0so7KFCqHDeRjIb3L2JJiHNeA='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """#
}
