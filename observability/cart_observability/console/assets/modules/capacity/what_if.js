/** Asks "what if": other events a second, other slots. It is part of the address, so a question can be shared. */
import { fill, h } from "../dom.js";
import { number } from "../format.js";

/**
 * @typedef {import("./assessment.js").Assessment} Assessment
 * @typedef {import("./assessment.js").Supposition} Supposition
 */

const TIMES_MORE = 5;
const FEWEST_AT_END = 10;
const MOST_SLOTS = 1_000;

export class WhatIf {
    /**
     * @param {import("../address.js").Address} address
     * @param {() => void} changed
     */
    constructor(address, changed) {
        this.address = address;
        this.changed = changed;
        this.slider = h("input", {
            type: "range",
            min: 0,
            "aria-label": "Events a second, by a slider",
            oninput: () => this.suppose({ rate: this.slider.value }),
        });
        this.rate = h("input", {
            type: "number",
            min: 0,
            step: "any",
            class: "capacity-number",
            onchange: () => this.suppose({ rate: this.rate.value }),
        });
        this.slots = h("div", { class: "capacity-slots" });
        this.clear = h(
            "button",
            { type: "button", onclick: () => this.suppose({ rate: null, slots: null }) },
            "As measured",
        );
        /** @type {Map<string, HTMLInputElement>} */
        this.inputs = new Map();
        this.element = h(
            "section",
            { class: "card capacity-what-if", "aria-labelledby": "capacity-what-if" },
            h("div", { class: "capacity-what-if-head" }, h("h2", { id: "capacity-what-if" }, "What if"), this.clear),
            h("label", { class: "capacity-question" }, "events a second ", this.rate),
            this.slider,
            this.slots,
        );
    }

    /** @returns {Supposition} */
    get supposition() {
        const { rate, slots = "" } = this.address.current.parameters;
        const pairs = slots.split(",").map((pair) => pair.split(":"));
        const known = pairs.filter(([name, text]) => name && Number(text) >= 1);
        const wanted = rate === undefined ? NaN : Number(rate);
        return {
            rate: Number.isFinite(wanted) && wanted >= 0 ? wanted : null,
            slots: Object.fromEntries(
                known.map(([name, text]) => [name, Math.min(MOST_SLOTS, Math.round(Number(text)))]),
            ),
        };
    }

    /** @param {{rate?: string | null, slots?: string | null}} changes */
    suppose(changes) {
        this.address.set(changes);
        this.changed();
    }

    /** @param {string} name */
    supposeSlots(name) {
        const slots = { ...this.supposition.slots, [name]: this.inputs.get(name)?.value };
        const pairs = Object.entries(slots).filter(([, value]) => Number(value) >= 1);
        this.suppose({ slots: pairs.map(([key, value]) => `${key}:${value}`).join(",") });
    }

    /** @param {Assessment} measured */
    draw(measured) {
        const { rate, slots } = this.supposition;
        const now = measured.arrival_rate ?? 0;
        const end = Math.max(nice(now * TIMES_MORE), rate ?? 0, FEWEST_AT_END);
        // While someone moves it, its end stays where it is.
        if (document.activeElement !== this.slider) {
            this.slider.max = String(Math.max(end, Number(this.slider.max) === end ? end : 0));
            this.slider.step = String(end / 200);
            this.slider.value = String(rate ?? now);
        }
        if (document.activeElement !== this.rate) {
            this.rate.value = rate === null ? "" : String(Number(rate.toPrecision(4)));
            this.rate.placeholder = number(now);
        }
        this.clear.disabled = rate === null && Object.keys(slots).length === 0;
        this.drawSlots(measured, slots);
    }

    /**
     * @param {Assessment} measured
     * @param {Record<string, number>} supposed
     */
    drawSlots(measured, supposed) {
        const names = Object.keys(measured.handlers).sort();
        if (names.join() !== [...this.inputs.keys()].join()) {
            this.inputs = new Map(names.map((name) => [name, this.input(name)]));
            fill(
                this.slots,
                [...this.inputs].map(([name, input]) =>
                    h("label", { class: "capacity-question" }, `${name} slots `, input),
                ),
            );
        }
        for (const [name, input] of this.inputs) {
            if (document.activeElement !== input) {
                input.value = supposed[name] === undefined ? "" : String(supposed[name]);
                input.placeholder = String(measured.handlers[name].slots ?? "");
            }
        }
    }

    /** @param {string} name */
    input(name) {
        const changed = () => this.supposeSlots(name);
        return h("input", { type: "number", min: 1, max: MOST_SLOTS, class: "capacity-number", onchange: changed });
    }
}

/**
 * A round number that is not less.
 *
 * @param {number} value
 */
function nice(value) {
    const size = 10 ** Math.floor(Math.log10(Math.max(1, value)));
    return Math.ceil(value / size) * size;
}
