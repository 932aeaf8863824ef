//! The HTTP side: routes, extractors, errors. Handlers parse, call one verb, and render.
