/** A chart of any metric that was seen: what a service has that the built-in charts do not know. */
import { get } from "../api.js";
import { Chart } from "../chart.js";
import { fill, h } from "../dom.js";

/**
 * @typedef {{name: string, kind: "counter" | "gauge" | "histogram", about: string, labels: string[]}} Metric
 * @typedef {{metric: string, statistic: string, by: string}} Choice
 */

/** @type {Record<string, string[]>} The first is what one most likely wants to see. */
const STATISTICS = {
    counter: ["rate", "value"],
    gauge: ["value"],
    histogram: ["p95", "p50", "p99", "mean", "rate"],
};

export class Explorer {
    /**
     * @param {import("../pages.js").Context} context
     * @param {import("./grid.js").ChartGrid} grid
     */
    constructor(context, grid) {
        this.context = context;
        this.grid = grid;
        /** @type {Metric[]} */
        this.metrics = [];
        /** @type {Chart | null} */
        this.chart = null;
        const chosen = () => this.choose();
        // Another kind of metric has another statistic that one most likely wants.
        const another = () => ((this.statistic.value = ""), this.choose());
        this.metric = h("select", { "aria-label": "Metric", class: "charts-metric", onchange: another });
        this.statistic = h("select", { "aria-label": "Statistic", onchange: chosen });
        this.by = h("select", { "aria-label": "A line for each", onchange: chosen });
        this.place = h("div", {});
        this.element = h(
            "section",
            { "aria-labelledby": "charts-explorer" },
            h("h2", { id: "charts-explorer" }, "Any metric"),
            h("div", { class: "toolbar" }, this.metric, this.statistic, this.by),
            this.place,
        );
    }

    async start() {
        this.metrics = await get("/api/metrics").catch(() => []);
        this.draw();
    }

    /** @returns {Choice} */
    get choice() {
        const { metric = "", statistic = "", by = "" } = this.context.address.current.parameters;
        return { metric, statistic, by };
    }

    choose() {
        const known = this.metrics.find((one) => one.name === this.metric.value);
        const statistics = STATISTICS[known?.kind ?? "gauge"];
        const statistic = statistics.includes(this.statistic.value) ? this.statistic.value : statistics[0];
        const by = known?.labels.includes(this.by.value) ? this.by.value : "";
        this.context.address.set({ metric: this.metric.value, statistic: known ? statistic : "", by });
        this.draw();
    }

    draw() {
        const { metric, statistic, by } = this.choice;
        const known = this.metrics.find((one) => one.name === metric);
        options(this.metric, [["", this.metrics.length ? "Choose a metric" : "No metric was seen yet"]], this.metrics);
        this.metric.value = known ? metric : "";
        options(
            this.statistic,
            [],
            (STATISTICS[known?.kind ?? "gauge"] ?? []).map((name) => ({ name })),
        );
        this.statistic.value = statistic || this.statistic.value;
        options(
            this.by,
            [["", "all together"]],
            (known?.labels ?? []).map((name) => ({ name })),
            "by ",
        );
        this.by.value = by;
        this.statistic.hidden = this.by.hidden = !known;
        this.show(known);
    }

    /** @param {Metric | undefined} metric */
    show(metric) {
        if (this.chart) {
            this.grid.remove(this.chart);
            this.chart = null;
        }
        if (metric) {
            this.ask(metric);
        }
    }

    /** @param {Metric} metric */
    async ask(metric) {
        const { statistic, by } = this.choice;
        const parameters = () => ({ metric: metric.name, statistic, by: by || null });
        const asked = this.context.range.bounds();
        // Its unit comes with the answer, and a chart is made with its unit.
        const answer = await get("/api/series", { ...parameters(), ...asked }).catch((error) => error.message);
        if (typeof answer === "string") {
            fill(this.place, h("p", { class: "failure" }, answer));
            return;
        }
        const title = `${metric.name}, ${statistic}`;
        const chart = new Chart({ ...answer, title, about: metric.about }, this.context, 240);
        this.chart = chart;
        fill(this.place, chart.element);
        this.grid.add(chart, { path: "/api/series", parameters });
    }
}

/**
 * @param {HTMLSelectElement} select
 * @param {[string, string][]} first
 * @param {{name: string}[]} rest
 * @param {string} [before]
 */
function options(select, first, rest, before = "") {
    const all = [...first, ...rest.map(({ name }) => /** @type {[string, string]} */ ([name, before + name]))];
    fill(
        select,
        all.map(([value, text]) => h("option", { value }, text)),
    );
}
