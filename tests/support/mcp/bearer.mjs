// Loaded before the conformance suite, which has no way to be told a token: each request of its own gets one.
import http from "node:http";
import { createRequire } from "node:module";

// As the suite itself finds it, so that both have the same dispatcher; fetch has it as well.
const { getGlobalDispatcher, setGlobalDispatcher } = createRequire(process.argv[1])("undici");
const authorization = `Bearer ${process.env.KAVI_TEST_TOKEN}`;

const withToken = (headers) =>
  Array.isArray(headers)
    ? [...headers, "authorization", authorization]
    : typeof headers?.[Symbol.iterator] === "function"
      ? [...headers, ["authorization", authorization]]
      : { ...headers, authorization };
setGlobalDispatcher(
  getGlobalDispatcher().compose(
    (dispatch) => (options, handler) => dispatch({ ...options, headers: withToken(options.headers) }, handler),
  ),
);

const request = http.request;
http.request = (options, ...rest) => request({ ...options, headers: { ...options.headers, authorization } }, ...rest);
