/** The map as two tables: the same for who does not see the drawing. */
import { fill, h } from "../dom.js";
import { count, duration, rate, UNKNOWN } from "../format.js";
import { kindOf } from "./kinds.js";
import { linkWords } from "./words.js";

/** @typedef {import("../live.js").Way} Way */

const COLUMNS = ["Part", "Kind", "Passes", "Waiting", "Oldest waits for", "Errors", "p99", "Leads to"];

export class WayTable {
    constructor() {
        this.body = h("tbody", {});
        const head = h(
            "tr",
            {},
            COLUMNS.map((name) => h("th", { scope: "col" }, name)),
        );
        const table = h(
            "table",
            {},
            h("caption", { class: "unseen" }, "The way of events"),
            h("thead", {}, head),
            this.body,
        );
        this.element = h(
            "details",
            { class: "way-table" },
            h("summary", {}, "The same as a table"),
            h(
                "div",
                { class: "scrolls", tabindex: 0, role: "region", "aria-label": "The way of events as a table" },
                table,
            ),
        );
    }

    /** @param {Way} way */
    update({ nodes, links }) {
        if (!this.element.open && this.body.children.length) {
            return;
        }
        const names = new Map(nodes.map(({ id, name }) => [id, name]));
        const rows = nodes.map((node) =>
            h(
                "tr",
                {},
                h("th", { scope: "row" }, node.name),
                h("td", {}, kindOf(node.kind).words),
                h("td", {}, rate(node.rate)),
                h("td", {}, count(node.backlog)),
                h("td", {}, duration(node.oldest_age_s)),
                h("td", {}, node.errors ? rate(node.errors) : UNKNOWN),
                h("td", {}, duration(node.p99_s)),
                h(
                    "td",
                    {},
                    links
                        .filter(({ from }) => from === node.id)
                        .map((link) => h("div", {}, `${names.get(link.to)} (${linkWords(link)})`)),
                ),
            ),
        );
        fill(this.body, rows);
    }
}
