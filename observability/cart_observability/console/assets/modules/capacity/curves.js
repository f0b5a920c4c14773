/** T_process = f(E): what an event cost at each load that was seen, a drawing a handler and a table of the same. */
import { fill, h, keep } from "../dom.js";
import { duration, number, rate } from "../format.js";
import { Curve } from "./curve.js";

/**
 * @typedef {import("./assessment.js").Assessment} Assessment
 * @typedef {import("./assessment.js").CurvePoint} CurvePoint
 */

/** Of the table, for each handler. */
const ROWS = 6;
const HEADS = ["Handler", "Load", "Processing time, mean", "Points"];

export class Curves {
    constructor() {
        /** @type {Map<string, Curve>} */
        this.curves = new Map();
        this.places = h("div", { class: "capacity-curves" });
        this.empty = h("p", { class: "chart-empty" }, "Nothing was handled yet: points come as time passes.");
        this.table = h("table", {});
        this.details = h(
            "details",
            { ontoggle: () => this.drawTable() },
            h("summary", {}, "As a table"),
            h("div", { class: "scrolls", role: "region", tabindex: 0, "aria-label": "Processing time" }, this.table),
        );
        this.element = h(
            "section",
            { class: "card", "aria-labelledby": "capacity-curves" },
            h("h2", { id: "capacity-curves" }, "T = f(E): processing time against load"),
            h(
                "p",
                { class: "chart-about" },
                "Each point is a stretch of time: how many events a second a handler handled, and what one cost it on ",
                "average. Level: load costs nothing. Rising: slots stand in each other’s way. Falling: work is done ",
                "in batches. The line is the load now, dashed the one supposed.",
            ),
            this.places,
            this.empty,
            this.details,
        );
        /** @type {Record<string, CurvePoint[]>} */
        this.points = {};
    }

    /**
     * @param {Assessment} measured
     * @param {Assessment | null} supposed
     */
    draw(measured, supposed) {
        this.points = measured.curves;
        const names = Object.keys(this.points)
            .filter((name) => this.points[name].length)
            .sort();
        this.empty.hidden = names.length > 0;
        this.details.hidden = names.length === 0;
        keep(
            this.places,
            names,
            (name) => name,
            (name) => this.made(name).element,
        );
        for (const name of names) {
            const loads = [measured, supposed].map((one) => one?.handlers[name]?.arrival_rate ?? null);
            this.curves.get(name)?.draw(
                this.points[name],
                loads.map((load) => (load === null ? null : Number(load))),
            );
        }
        this.drawTable();
    }

    /** @param {string} name */
    made(name) {
        const curve = new Curve(name);
        this.curves.get(name)?.destroy();
        this.curves.set(name, curve);
        return curve;
    }

    drawTable() {
        if (this.details.open) {
            const names = Object.keys(this.points).sort();
            fill(
                this.table,
                h(
                    "thead",
                    {},
                    h(
                        "tr",
                        {},
                        HEADS.map((text, index) => h("th", { class: index ? "number" : "" }, text)),
                    ),
                ),
                h(
                    "tbody",
                    {},
                    names.flatMap((name) => bins(this.points[name]).map((bin) => row(name, bin))),
                ),
            );
        }
    }

    destroy() {
        this.curves.forEach((curve) => curve.destroy());
    }
}

/**
 * @param {CurvePoint[]} points
 * @returns {CurvePoint[][]} Of like load, the least first.
 */
function bins(points) {
    const most = Math.max(...points.map(({ load }) => load)) || 1;
    const groups = Map.groupBy(points, ({ load }) => Math.min(ROWS - 1, Math.floor((load / most) * ROWS)));
    return [...groups].sort(([one], [other]) => one - other).map(([, group]) => group);
}

/**
 * @param {string} name
 * @param {CurvePoint[]} points
 */
function row(name, points) {
    const loads = points.map(({ load }) => load);
    const mean = points.reduce((sum, { seconds }) => sum + seconds, 0) / points.length;
    return h(
        "tr",
        {},
        h("td", {}, name),
        h("td", { class: "number" }, `${number(Math.min(...loads))} to ${rate(Math.max(...loads))}`),
        h("td", { class: "number" }, duration(mean)),
        h("td", { class: "number" }, number(points.length)),
    );
}
