;; Nothing is wrong with this file: it is about the smallest component with the lean door, and answers every call
;; with 200 and the body "ok". The files named *-lean differ from it in one thing each.
(component
  (import "hostel:service/types@0.2.0" (instance $types
    (type $bytes (list u8))
    (export "fields" (type $fields (eq $bytes)))
    (export "request-head" (type $request-head (eq $bytes)))
    (export "response-head" (type $response-head (eq $bytes)))
    (type $body-error-variant
      (variant (case "cancelled") (case "timeout") (case "too-large") (case "failed" string)))
    (export "body-error" (type $body-error (eq $body-error-variant)))
    (type $byte-stream (stream u8))
    (type $end (result $fields (error $body-error)))
    (type $end-future (future $end))
    (type $streaming (tuple $byte-stream $end-future))
    (type $body-variant (variant (case "none") (case "bytes" $bytes) (case "streaming" $streaming)))
    (export "body" (type $body (eq $body-variant)))
    (type $request-record (record (field "head" $request-head) (field "body" $body)))
    (export "request" (type (eq $request-record)))
    (type $response-record (record (field "head" $response-head) (field "body" $body)))
    (export "response" (type (eq $response-record)))))
  (alias export $types "request" (type $request))
  (alias export $types "response" (type $response))
  (core module $module
    (memory (export "memory") 16)
    (data (i32.const 64) "ok")
    ;; The head of a response: status 200, no headers, no trailers.
    (data (i32.const 32) "\c8\00" "\00\00\00\00" "\00\00\00\00")
    ;; What a call brings in is laid out from here on, and forgotten when it has been answered.
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old-len i32) (param $align i32) (param $new-len i32) (result i32)
      (local $start i32)
      (local.set $start (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $start) (local.get $new-len)))
      (local.get $start))
    ;; The request comes as the address and length of its head, then the case of the body and what belongs to it.
    (func (export "handle") (param i32 i32 i32 i32 i32) (result i32)
      (global.set $free (i32.const 1024))
      ;; The response: its head (address and length), then its body (the case `bytes`: address and length).
      (i32.store offset=0 (i32.const 0) (i32.const 32))
      (i32.store offset=4 (i32.const 0) (i32.const 10))
      (i32.store8 offset=8 (i32.const 0) (i32.const 1))
      (i32.store offset=12 (i32.const 0) (i32.const 64))
      (i32.store offset=16 (i32.const 0) (i32.const 2))
      (i32.const 0)))
  (core instance $instance (instantiate $module))
  (alias core export $instance "memory" (core memory $memory))
  (alias core export $instance "realloc" (core func $realloc))
  (func $handle async (param "request" $request) (result $response)
    (canon lift (core func $instance "handle")
      (memory $memory) (realloc $realloc)))
  (instance $door (export "handle" (func $handle)))
  (export "hostel:service/handler@0.2.0" (instance $door)))
