/** The fields of the lines that were found, with their most frequent values: a choice of one narrows the search. */
import { fill, h, keep } from "../dom.js";
import { count } from "../format.js";
import { ends } from "./ends.js";

/**
 * @typedef {{field: string, values: {value: string, count: number}[]}} Field
 * @typedef {import("./line.js").Narrow} Narrow
 */

/** What is worth to be seen first. */
const FIRST = ["log.level", "service.name", "event.action"];

export class Fields {
    /** @param {Narrow} narrow */
    constructor(narrow) {
        this.narrow = narrow;
        this.about = h("p", { class: "quiet small" });
        this.list = h("div", {});
        this.element = h(
            "details",
            { class: "logs-side", open: innerWidth >= 1100 },
            h("summary", {}, "Fields"),
            this.about,
            this.list,
        );
    }

    /**
     * @param {Field[]} fields
     * @param {number} sampled Lines that were looked at.
     */
    draw(fields, sampled) {
        this.about.textContent = `Of the newest ${count(sampled)} lines.`;
        const telling = fields
            .filter(({ values }) => values.length > 0)
            .sort((a, b) => rank(a) - rank(b) || (a.field < b.field ? -1 : 1));
        keep(
            this.list,
            telling,
            ({ field }) => field,
            (field) => this.field(field, sampled),
            (element, field) => fill(element.children[1], this.values(field, sampled)),
        );
    }

    /**
     * @param {Field} field
     * @param {number} sampled
     */
    field(field, sampled) {
        const open = FIRST.includes(field.field);
        return h(
            "details",
            { open },
            h("summary", { class: "mono" }, field.field),
            h("ul", {}, this.values(field, sampled)),
        );
    }

    /**
     * @param {Field} field
     * @param {number} sampled
     */
    values({ field, values }, sampled) {
        return values.map(({ value, count: lines }) => {
            const only = h(
                "button",
                {
                    type: "button",
                    class: "plain",
                    title: `Only ${field}:${value}`,
                    onclick: () => this.narrow(field, value, false),
                },
                value === "" ? "(empty)" : ends(value),
                h("span", { class: "quiet" }, count(lines)),
            );
            only.style.setProperty("--share", `${(lines / Math.max(1, sampled)) * 100}%`);
            const without = `Only without ${field}:${value}`;
            return h(
                "li",
                {},
                only,
                h(
                    "button",
                    {
                        type: "button",
                        class: "plain",
                        title: without,
                        "aria-label": without,
                        onclick: () => this.narrow(field, value, true),
                    },
                    "−",
                ),
            );
        });
    }
}

/** @param {Field} field */
function rank({ field, values }) {
    const first = FIRST.indexOf(field);
    // A field of which each line has another value, or all the same, narrows little.
    return first >= 0 ? first : values.length > 1 && values[0].count > 1 ? 10 : 20;
}
