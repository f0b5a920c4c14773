/**
 * The pages. Each is a module that is loaded when it is first shown.
 *
 * A page's module exports by default `{ title, style, show }`. The shell loads `style`, sets the heading to `title`,
 * empties the root and calls `show(root, context)`; it calls what that returned before another page, or another id of
 * the same page, is shown. A change of parameters alone is the page's own affair (`context.address.onChange`).
 *
 * @typedef {{
 *     api: typeof import("./api.js"),
 *     live: import("./live.js").Live,
 *     address: import("./address.js").Address,
 *     range: import("./range.js").Range,
 *     marks: import("./marks.js").Marks,
 *     overview: Overview,
 *     heading: (text: string) => void,
 *     say: (text: string) => void,
 * }} Context `heading` gives the page another heading; `say` tells screen readers what just happened.
 * @typedef {{title: string, style?: string, show: (root: HTMLElement, context: Context) => (() => void) | void}} Page
 * @typedef {{id: string, title: string, module: string, detail?: string, hidden?: boolean, first?: boolean}} Entry
 *     `detail`: the module for an address with an id; `first`: before the built-in ones.
 * @typedef {{title: string, now: number, started: number, pages: Entry[], sources: import("./live.js").Source[],
 *     bounds: {bytes: number, age_ms: number | null}, size: number, oldest: number | null, needs_token: boolean,
 *     links: {title: string, url: string, about: string}[]}} Overview
 */

/** @type {Entry[]} In the order of the navigation. */
export const PAGES = [
    { id: "way", title: "Map", module: "/modules/pages/way.js" },
    { id: "charts", title: "Charts", module: "/modules/pages/charts.js" },
    { id: "events", title: "Events", module: "/modules/pages/events.js", detail: "/modules/pages/story.js" },
    { id: "traces", title: "Trace", module: "/modules/pages/story.js", hidden: true },
    { id: "logs", title: "Logs", module: "/modules/pages/logs.js" },
    { id: "capacity", title: "Capacity", module: "/modules/pages/capacity.js" },
];

/**
 * All pages of this console: the built-in ones among those of its extensions.
 *
 * @param {Overview} overview
 * @returns {Entry[]}
 */
export function pagesOf(overview) {
    const isFirst = (/** @type {Entry} */ page) => page.first === true;
    return [...overview.pages.filter(isFirst), ...PAGES, ...overview.pages.filter((page) => !isFirst(page))];
}

/**
 * The page that an entry leads to.
 *
 * @param {Entry} entry
 * @param {string | null} id
 * @returns {Promise<Page>}
 */
export async function load(entry, id) {
    const module = await import(id !== null && entry.detail ? entry.detail : entry.module);
    return module.default;
}
