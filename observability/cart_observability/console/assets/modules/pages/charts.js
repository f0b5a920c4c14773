/** How the chain does over time: every chart there is, on one time axis. */
import { Chart, keysHelp } from "../chart.js";
import { ChartGrid } from "../charts/grid.js";
import { Explorer } from "../charts/explorer.js";
import { handlerFilter } from "../charts/handler_filter.js";
import { marksList } from "../charts/marks_list.js";
import { h } from "../dom.js";

/**
 * @typedef {import("../chart.js").About & {group: string}} Listed
 * @typedef {import("../pages.js").Context} Context
 */

/** In the order in which one asks: does it flow, who handles, what carries, what runs. */
const GROUPS = { chain: "Chain", handlers: "Handlers", bus: "Bus", process: "Processes" };

/** @type {import("../pages.js").Page} */
export default { title: "Charts", style: "/styles/charts.css", show };

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function show(root, context) {
    const grid = new ChartGrid(context);
    const filter = handlerFilter(context, () => grid.refresh());
    const marks = marksList(context.marks);
    const places = h("div", {});
    const explorer = new Explorer(context, grid);
    let ended = false;
    root.append(
        h("div", { class: "toolbar" }, filter.element, keysHelp()),
        marks.element,
        places,
        explorer.element,
    );
    const fillIn = async () => {
        const listed = await listOf(context, () => ended);
        if (!ended) {
            places.replaceChildren(...groups(listed, context, grid));
            explorer.start();
            point(context.address);
        }
    };
    const moved = context.address.onChange((now, before) => {
        if (now.parameters.chart !== before.parameters.chart) {
            point(context.address);
        }
    });
    fillIn();
    return () => {
        ended = true;
        [filter.end, marks.end, moved].forEach((end) => end());
        grid.destroy();
    };
}

/**
 * The charts there are, as soon as the server can be asked.
 *
 * @param {Context} context
 * @param {() => boolean} ended
 * @returns {Promise<Listed[]>}
 */
async function listOf(context, ended) {
    try {
        return await context.api.get("/api/charts");
    } catch {
        await new Promise((resolve) => {
            const end = context.live.onState(() => (end(), resolve(null)));
        });
        return ended() ? [] : listOf(context, ended);
    }
}

/**
 * @param {Listed[]} listed
 * @param {Context} context
 * @param {ChartGrid} grid
 */
function groups(listed, context, grid) {
    return Object.entries(GROUPS).map(([group, title]) => {
        const charts = listed.filter((one) => one.group === group).map((about) => cell(about, context, grid));
        return h(
            "section",
            { class: "charts-group", "aria-labelledby": `charts-${group}`, hidden: charts.length === 0 },
            h("h2", { id: `charts-${group}` }, title),
            h("div", { class: "charts-grid" }, charts),
        );
    });
}

/**
 * @param {Listed} about
 * @param {Context} context
 * @param {ChartGrid} grid
 */
function cell(about, context, grid) {
    const chart = new Chart(about, context);
    const parameters = () => ({ handler: context.address.current.parameters.handler ?? null });
    grid.add(chart, { path: `/api/charts/${encodeURIComponent(about.name)}`, parameters });
    chart.element.id = `chart-${about.name}`;
    return chart.element;
}

/**
 * Show the chart that the address names.
 *
 * @param {import("../address.js").Address} address
 */
function point(address) {
    document.querySelector(".charts-pointed")?.classList.remove("charts-pointed");
    const chart = document.getElementById(`chart-${address.current.parameters.chart ?? ""}`);
    chart?.classList.add("charts-pointed");
    chart?.scrollIntoView({ block: "center" });
}
