//! The bindings generated from the WIT files, and the worlds that say what an SDK guest may import.
//!
//! A world names everything the SDK can use; the component that comes out imports only what its code calls,
//! because the linker drops the rest.

#[cfg(not(feature = "portable"))]
wit_bindgen::generate!({
    path: "wit",
    inline: "
        package hostel:sdk@0.1.0;

        world lean {
            import hostel:service/client@0.2.0;
            import wasi:clocks/monotonic-clock@0.3.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            import wasi:logging/logging@0.1.0-draft;
            export hostel:service/handler@0.2.0;
        }
    ",
    world: "hostel:sdk/lean@0.1.0",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "hostel_sdk::__private::bindings",
});

#[cfg(feature = "portable")]
wit_bindgen::generate!({
    path: "wit",
    inline: "
        package hostel:sdk@0.1.0;

        world portable {
            import wasi:config/store@0.2.0-rc.1;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
        }
    ",
    world: "hostel:sdk/portable@0.1.0",
    generate_all,
});
