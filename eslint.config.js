// The rules of web/ beside prettier's form and the compiler's types: short files, short functions, nothing unused.

import js from "@eslint/js";

export default [
  js.configs.recommended,
  {
    files: ["web/**/*.js"],
    rules: {
      "no-undef": "off", // the type checker knows the browser's names
      "no-unused-vars": ["error", { varsIgnorePattern: "^_$", argsIgnorePattern: "^_$" }],
      complexity: ["error", 10],
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-len": ["error", { code: 120 }],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 40],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Text goes in as text nodes: see web/view/dom.js." },
        { property: "outerHTML", message: "Text goes in as text nodes: see web/view/dom.js." },
        { property: "insertAdjacentHTML", message: "Text goes in as text nodes: see web/view/dom.js." },
      ],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
