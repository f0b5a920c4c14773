/** Examples of searches, made of the fields and values that are there: each of them finds something. */
import { term } from "./terms.js";

/**
 * @typedef {import("./fields.js").Field} Field
 * @typedef {[string, string]} Example A search, and what it means.
 */

/** @type {Field[]} Where nothing is known yet: names that every logger knows. */
const USUAL = [
    { field: "log.level", values: ["error", "warning"].map((value) => ({ value, count: 0 })) },
    { field: "service.name", values: [{ value: "orders-api", count: 0 }] },
    { field: "event.duration", values: [{ value: "1000000", count: 0 }] },
];
const NUMBER = /^\d+(\.\d+)?$/;
/** A value that begins as others may: all up to a sign that parts words. */
const BEGINNING = /^([a-z]\w*[-._/])\w/i;
const LONGEST = 24;
/** What is worth to be looked for first. */
const FIRST = ["event.action", "log.level", "service.name"];

/**
 * @param {Field[]} fields As they were found in lines.
 * @returns {Example[]}
 */
export function examples(fields) {
    const telling = fields.map(frequent).filter(({ values }) => values.length > 0);
    const known = [...telling.sort((a, b) => rank(a) - rank(b)), ...USUAL];
    const named = known.filter(({ values }) => values.some(({ value }) => !NUMBER.test(value)));
    const one = named.find(({ field }) => field === "service.name") ?? named[0];
    const two = named.find(({ values }) => values.length > 1) ?? USUAL[0];
    const sized = known.find(({ values }) => NUMBER.test(values[0].value)) ?? USUAL[2];
    const begun = named.find(({ values }) => values.some(({ value }) => BEGINNING.test(value))) ?? USUAL[1];
    const beginning = begun.values.map(({ value }) => BEGINNING.exec(value)?.[1]).find(Boolean);
    const [first, second] = two.values.map(({ value }) => term(two.field, value));
    const [service] = one.values.map(({ value }) => term(one.field, value));
    const size = sized.values[0].value;
    return [
        ["error", "a word in the message, an error or any value"],
        ['"timed out"', "a phrase"],
        [service, "a field's value"],
        [`${begun.field}:${beginning}*`, "a value that begins so"],
        [`${sized.field}:*`, "lines that have the field"],
        [`${sized.field}>=${size}`, "a number's size"],
        [`${sized.field}:[${size} TO *]`, "a range, here from a number on"],
        [`${first} OR ${second}`, "one or the other"],
        [`-${service} ${first}`, "without the one and with the other"],
        [`NOT (${first} ${service})`, "without both together"],
    ];
}

/**
 * A field with those of its values that more than one line has, and that fit into an example.
 *
 * @param {Field} field
 * @returns {Field}
 */
function frequent({ field, values }) {
    const fits = values.filter(({ value, count }) => count > 1 && value !== "" && value.length <= LONGEST);
    return { field, values: fits };
}

/** @param {Field} field */
function rank({ field }) {
    return FIRST.includes(field) ? FIRST.indexOf(field) : FIRST.length;
}
