/** Parts of a search in log lines, as its language writes them. */

/**
 * `field:value`, in quotes where the value needs them.
 *
 * @param {string} field
 * @param {string} value
 * @returns {string}
 */
export function term(field, value) {
    const plain = value !== "" && !/[\s()"*\\]|^[:<>[]/.test(value);
    return `${field}:${plain ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`}`;
}

/**
 * A search narrowed by a term, or without what it says; the opposite term goes.
 *
 * @param {string} query
 * @param {string} one
 * @param {boolean} without
 * @returns {string}
 */
export function narrowed(query, one, without) {
    const [wanted, opposite] = without ? [`-${one}`, one] : [one, `-${one}`];
    const rest = parts(query).filter((part) => part !== wanted && part !== opposite);
    const text = rest.join(" ");
    const alternatives = rest.includes("OR");
    return [alternatives ? `(${text})` : text, wanted].filter(Boolean).join(" ");
}

/**
 * A search in its parts outside of quotes and parentheses.
 *
 * @param {string} query
 */
function parts(query) {
    /** @type {string[]} */
    const found = [];
    let part = "";
    let depth = 0;
    for (const piece of query.match(/"(?:[^"\\]|\\.)*"?|[()]|\s+|[^\s()"]+/g) ?? []) {
        depth += piece === "(" ? 1 : piece === ")" ? -1 : 0;
        if (/^\s/.test(piece) && depth <= 0) {
            found.push(part);
            part = "";
        } else {
            part += piece;
        }
    }
    return [...found, part].filter(Boolean);
}
