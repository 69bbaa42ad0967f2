;; A command (`wasi:cli/run`), not a service: what a program with a `main` compiles to.
(component
  (core module $module (func (export "run") (result i32) (i32.const 0)))
  (core instance $instance (instantiate $module))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $door (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $door)))
