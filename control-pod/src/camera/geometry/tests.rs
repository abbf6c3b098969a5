use super::*;

/// What the settings of a camera say, without a plugin.
fn camera(min: f64, width: f64, height: f64, color: &str) -> Statements {
    Statements {
        min: [Some(min); 2],
        size: [Some(width), Some(height)],
        camera_color: Some(color.to_owned()),
        camera_type: Some("UInt16".to_owned()),
        ..Statements::default()
    }
}

fn extent(statements: &Statements, count: usize) -> Option<(usize, usize)> {
    let (layout, _) = statements.layout(count)?;
    Some((layout.extent.width, layout.extent.height))
}

#[test]
fn a_region_at_the_origin_is_what_upstream_shows() {
    let (layout, told) = camera(0.0, 4.0, 3.0, "Mono").layout(12).unwrap();
    assert_eq!(layout.extent, Extent { width: 4, height: 3 });
    assert_eq!(layout.pixel_type, Some(PixelType::UInt16));
    let as_upstream =
        Dimensions { x: 4, y: 3, color_mode: "Mono".into(), data_type: "UInt16".into() };
    assert_eq!(told, as_upstream);
    assert_eq!(camera(0.0, 4.0, 3.0, "Mono").announced(), Some(as_upstream));
}

#[test]
fn the_size_of_a_shifted_region_follows_from_the_array() {
    let shifted = camera(10.0, 40.0, 30.0, "Mono");
    assert_eq!(extent(&shifted, 40 * 30), Some((40, 30)), "as areaDetector means it");
    assert_eq!(extent(&shifted, 30 * 20), Some((30, 20)), "as upstream means it");
    assert_eq!(extent(&shifted, 41 * 30), None, "the settings have not caught up");
    let announced = shifted.announced().unwrap();
    assert_eq!((announced.x, announced.y), (30, 20));
}

#[test]
fn a_binned_region_is_smaller_than_its_setting() {
    let binned = Statements { binning: [Some(2.0), Some(4.0)], ..camera(0.0, 101.0, 80.0, "Mono") };
    assert_eq!(extent(&binned, 50 * 20), Some((50, 20)));
}

#[test]
fn the_plugin_knows_better_than_the_settings() {
    let plugin = Statements {
        array_size: [Some(8.0), Some(2.0), Some(0.0)],
        plugin_type: Some("UInt8".to_owned()),
        ..camera(0.0, 4.0, 4.0, "Mono")
    };
    let (layout, told) = plugin.layout(16).unwrap();
    assert_eq!(layout.extent, Extent { width: 8, height: 2 });
    assert_eq!(layout.pixel_type, Some(PixelType::UInt8));
    assert_eq!((told.x, told.y, told.data_type.as_str()), (8, 2, "UInt8"));
}

#[test]
fn colours_are_found_in_the_dimension_that_has_three() {
    for (color, sizes) in
        [("RGB1", [3.0, 5.0, 2.0]), ("RGB2", [5.0, 3.0, 2.0]), ("RGB3", [5.0, 2.0, 3.0])]
    {
        let plugin = Statements {
            array_size: sizes.map(Some),
            plugin_color: Some(color.to_owned()),
            // The camera is Mono; a plugin in between made colours of it.
            ..camera(0.0, 5.0, 2.0, "Mono")
        };
        let (layout, told) = plugin.layout(30).unwrap();
        assert_eq!(layout.extent, Extent { width: 5, height: 2 }, "{color}");
        assert_eq!(layout.color, ColorMode::of_label(color));
        assert_eq!(told.color_mode, color);
    }
}

#[test]
fn yuv_is_found_however_its_bytes_are_told() {
    for (color, count, sizes) in [
        ("YUV444", 96, &[[3.0, 8.0, 4.0], [24.0, 4.0, 0.0], [8.0, 4.0, 0.0]][..]),
        ("YUV422", 64, &[[2.0, 8.0, 4.0], [4.0, 4.0, 4.0], [16.0, 4.0, 0.0], [8.0, 4.0, 0.0]]),
        ("YUV421", 48, &[[6.0, 2.0, 4.0], [12.0, 4.0, 0.0], [8.0, 4.0, 0.0]]),
    ] {
        for array_size in sizes {
            let plugin = Statements {
                array_size: array_size.map(Some),
                plugin_color: Some(color.to_owned()),
                plugin_type: Some("UInt8".to_owned()),
                ..Statements::default()
            };
            assert_eq!(extent(&plugin, count), Some((8, 4)), "{color} {array_size:?}");
        }
        assert_eq!(extent(&camera(0.0, 8.0, 4.0, color), count), Some((8, 4)), "{color}");
    }
}

#[test]
fn three_planes_may_be_followed_by_more() {
    let planes = camera(0.0, 2.0, 2.0, "RGB3");
    assert_eq!(extent(&planes, 14), Some((2, 2)));
    assert_eq!(extent(&camera(0.0, 2.0, 2.0, "RGB1"), 14), None);
    assert_eq!(extent(&planes, 11), None);
}

#[test]
fn an_array_of_a_simulation_is_described_by_its_own_columns_and_rows() {
    let spot = Statements { columns: Some(640.0), rows: Some(480.0), ..Statements::default() };
    let (layout, told) = spot.layout(307_200).unwrap();
    assert_eq!(layout.extent, Extent { width: 640, height: 480 });
    assert_eq!(layout.pixel_type, None);
    assert_eq!((told.color_mode.as_str(), told.data_type.as_str()), ("Mono", ""));
}

#[test]
fn nonsense_fits_nothing() {
    for size in [0.0, -3.0, f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(camera(0.0, size, size, "Mono").layout(12), None, "{size}");
    }
    assert_eq!(Statements::default().layout(1), None);
    assert_eq!(Statements::default().announced(), None);
}
