//! Generates client and server of a service that is described here, so that no `protoc` is needed.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str| -> MethodBuilder {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::{input}"))
            .output_type(format!("crate::{output}"))
            .codec_path("tonic_prost::ProstCodec")
    };
    let service = Service::builder()
        .name("Sums")
        .package("numbers")
        .method(method("double", "Double", "Number", "Number").build())
        .method(method("count", "Count", "Number", "Number").server_streaming().build())
        .method(method("sum", "Sum", "Number", "Number").client_streaming().build())
        .method(
            method("running", "Running", "Number", "Number")
                .client_streaming()
                .server_streaming()
                .build(),
        )
        .build();
    Builder::new().compile(&[service]);
    println!("cargo::rerun-if-changed=build.rs");
}
