/** A value where there is little room: what many begin with goes first, its last part stays. */
import { h } from "../dom.js";

/** The last part of names such as "cartscope-worker-threshold", with what parts it off. */
const LAST_PART = /[-._/:][^-._/:]+$/;

/** @param {string} value */
export function ends(value) {
    const { index = value.length } = LAST_PART.exec(value) ?? {};
    const parts = [value.slice(0, index), value.slice(index)].filter(Boolean);
    return h(
        "span",
        { class: "logs-both-ends" },
        parts.map((part) => h("span", {}, part)),
    );
}
