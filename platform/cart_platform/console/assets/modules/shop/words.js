/** Names as a person says them. */

/** @type {Record<string, string>} */
const HAPPENED = {
    "cart.item_added": "put in",
    "cart.quantity_changed": "changed",
    "cart.item_removed": "taken out",
    "cart.checked_out": "checked out",
    "cart.threshold_reached": "threshold reached",
};

/** @param {string} product "whole_milk" */
export function titleOf(product) {
    const words = product.replaceAll("_", " ");
    return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** @param {string | null} type Of an event. */
export function happened(type) {
    return HAPPENED[type ?? ""] ?? type ?? "an event";
}
