/** What the list of events is narrowed by; all of it is in the address. */
import { h, keep } from "../dom.js";
import { OUTCOMES_SOUGHT, wordsOf } from "../outcome.js";

/** @typedef {import("../shapes.js").Context} Context */

export const FILTERS = ["type", "handler", "outcome", "subject", "id"];
/** Typing is over when nothing was typed for so long. */
const TYPED_MS = 300;

/**
 * The filters that are on.
 *
 * @param {Context["address"]} address
 * @returns {Record<string, string>}
 */
export function filtersOf(address) {
    const { parameters } = address.current;
    return Object.fromEntries(FILTERS.filter((name) => parameters[name]).map((name) => [name, parameters[name]]));
}

export class Filters {
    /** @param {Context} context */
    constructor({ address }) {
        this.address = address;
        this.type = this.choice("type", "All types");
        this.handler = this.choice("handler", "All handlers");
        this.outcome = this.choice("outcome", "All outcomes");
        this.subject = this.text("subject", "Subject");
        this.id = this.text("id", "Event id");
        const clear = () => address.set(Object.fromEntries(FILTERS.map((name) => [name, null])));
        this.clear = h("button", { type: "button", class: "plain", onclick: clear }, "Clear");
        this.elements = [this.type, this.handler, this.outcome, this.subject, this.id, this.clear];
        this.offer(this.outcome, OUTCOMES_SOUGHT);
    }

    /**
     * What there is to choose from.
     *
     * @param {Iterable<string>} types
     * @param {Iterable<string>} handlers
     */
    know(types, handlers) {
        this.offer(this.type, [...types].sort());
        this.offer(this.handler, [...handlers].sort());
    }

    /** Show what the address says. */
    draw() {
        const on = filtersOf(this.address);
        this.know(this.offered(this.type), this.offered(this.handler));
        for (const element of [this.type, this.handler, this.outcome, this.subject, this.id]) {
            if (element !== document.activeElement || element instanceof HTMLSelectElement) {
                element.value = on[element.name] ?? "";
            }
        }
        this.clear.hidden = Object.keys(on).length === 0;
    }

    /**
     * @param {string} name
     * @param {string} all
     */
    choice(name, all) {
        const select = h("select", { name, "aria-label": all });
        select.addEventListener("change", () => this.address.set({ [name]: select.value }));
        return select;
    }

    /**
     * @param {string} name
     * @param {string} label
     */
    text(name, label) {
        let timer = 0;
        const input = h("input", {
            type: "search",
            name,
            placeholder: label,
            "aria-label": label,
            spellcheck: "false",
        });
        input.addEventListener("input", () => {
            clearTimeout(timer);
            timer = setTimeout(() => this.address.set({ [name]: input.value.trim() }), TYPED_MS);
        });
        return input;
    }

    /** @param {HTMLSelectElement} select */
    offered(select) {
        return [...select.options].map((option) => option.value).filter(Boolean);
    }

    /**
     * @param {HTMLSelectElement} select
     * @param {string[]} values
     */
    offer(select, values) {
        const on = this.address.current.parameters[select.name];
        const all = [...new Set(on ? [...values, on] : values)];
        keep(
            select,
            ["", ...all],
            (value) => value,
            (value) => h("option", { value }, value === "" ? select.ariaLabel : words(select.name, value)),
        );
    }
}

/**
 * @param {string} name
 * @param {string} value
 */
function words(name, value) {
    return name === "outcome" ? wordsOf(value) : value;
}
