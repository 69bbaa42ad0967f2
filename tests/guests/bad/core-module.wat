;; A core module, not a component: what `wasm32-unknown-unknown` makes.
(module
  (memory (export "memory") 1)
  (func (export "handle") (param i32 i32)))
