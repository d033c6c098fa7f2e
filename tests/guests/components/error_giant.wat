(component
  ;; Answers with an error of 100,000 bytes. The SDK would cut it.
  (import "kavi:skill/types@0.1.0" (instance $types
    (type $e (variant (case "invalid-input" string) (case "not-found" string) (case "denied" string) (case "failed" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (import "kavi:skill/log@0.1.0" (instance $log
    (type $l (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (core module $memory
    (memory (export "memory") 64)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3))) (local.get $at)))
  (core instance $memory (instantiate $memory))
  (core func $log (canon lower (func $log "write") (memory (core memory $memory "memory"))))
  (core module $skill
    (import "memory" "memory" (memory 1))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (func $run (export "run") (param $ptr i32) (param $len i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 1)) (i32.store8 (i32.const 4) (i32.const 3))
      (i32.store (i32.const 8) (i32.const 4096)) (i32.store (i32.const 12) (i32.const 100000)) (i32.const 0))
    (func (export "post") (param i32) )
    (func $start )
    (start $start))
  (core instance $skill (instantiate $skill
    (with "memory" (instance $memory))
    (with "host" (instance (export "log" (func $log))))))
  (func (export "run") (param "input" string) (result (result string (error $error)))
    (canon lift (core func $skill "run") (memory (core memory $memory "memory"))
      (realloc (core func $memory "realloc")) (post-return (core func $skill "post"))))
)
