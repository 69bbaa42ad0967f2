;; The lean door by name, but its function is of another type.
(component
  (core module $module (func (export "handle") (param i32) (result i32) (local.get 0)))
  (core instance $instance (instantiate $module))
  (func $handle (param "request" u32) (result u32) (canon lift (core func $instance "handle")))
  (instance $door (export "handle" (func $handle)))
  (export "hostel:service/handler@0.2.0" (instance $door)))
