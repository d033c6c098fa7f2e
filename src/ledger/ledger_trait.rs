//! Declares a trait by which others use the ledger.

/// Declares a trait, and implements it for [`Ledger`] by its methods of the same names.
macro_rules! ledger_trait {
    ($(#[$doc:meta])* pub trait $name:ident {
        $($(#[$method_doc:meta])* fn $method:ident(&self $(, $argument:ident: $of:ty)* $(,)?) -> $answer:ty;)*
    }) => {
        $(#[$doc])*
        pub trait $name: std::fmt::Debug {
            $($(#[$method_doc])* fn $method(&self $(, $argument: $of)*) -> $answer;)*
        }

        impl $name for $crate::ledger::Ledger {
            // By the method of the same name, so that a caller of either gets the same.
            $(fn $method(&self $(, $argument: $of)*) -> $answer {
                Self::$method(self $(, $argument)*)
            })*
        }
    };
}

pub(super) use ledger_trait;
