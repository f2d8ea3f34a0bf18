// The methods of a job as a list of terms, however the job writes them.

/** @import { MethodChoice, MethodTerm } from "../api/types.js" */

/**
 * The terms of `method`: of a name, an object, a list of either, or a combination.
 * @param {MethodChoice | null | undefined} method
 * @returns {MethodTerm[]}
 */
export function termsOf(method) {
  if (!method) return [];
  const terms = Array.isArray(method)
    ? method
    : typeof method === "object" && isList(method.terms)
      ? method.terms
      : [method];
  return terms.filter(Boolean).map((term) => (typeof term === "string" ? { name: term } : term));
}

/**
 * @param {unknown} value
 * @returns {value is MethodTerm[]}
 */
function isList(value) {
  return Array.isArray(value);
}

/**
 * The shortest way to write a list of terms; undefined where there is none.
 * @param {MethodTerm[]} terms
 * @returns {MethodChoice | undefined}
 */
export function methodOf(terms) {
  const short = terms.map((term) => (Object.keys(term).length === 1 ? term.name : term));
  return short.length > 1 ? short : short[0];
}

/** @param {MethodChoice} method */
export function methodName(method) {
  return termsOf(method)
    .map((term) => term.name)
    .join(" + ");
}
