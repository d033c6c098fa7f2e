(component
  ;; Offers nothing.
)
