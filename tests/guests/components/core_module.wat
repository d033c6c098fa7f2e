;; A core module in the place of a component.
(module (func (export "run")))
