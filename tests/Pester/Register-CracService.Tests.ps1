# Services as descriptions and units. What crac-start does with them is in CracStart.Tests.ps1.

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $units = "$folder/units"
    $sleep = (Get-Command sleep -CommandType Application | Select-Object -First 1).Source
}

AfterAll {
    Exit-CracTest
}

Describe 'Register-CracService' {
    BeforeEach {
        $name = "s$([guid]::NewGuid().ToString('N'))"
    }

    It 'writes a description that only its owner can read, and a unit, and gives the service' {
        $service = Register-CracService $name sleep 1000 -ReadyPort 8080 -CheckpointEvery 06:00:00 -Keep 5 -RestartFrom LastImage -UnitDirectory $units -Environment @{ SECRET = 'x' }
        $service | Should -BeOfType PSCrac.CracService
        $service.Name | Should -Be $name
        $service.Command | Should -Be "$sleep 1000"
        $service.IsRunning | Should -BeFalse
        $service.CheckpointEvery | Should -Be ([timespan]::FromHours(6))
        $service.Keep | Should -Be 5
        $service.RestartFrom | Should -Be 'LastImage'
        $service.UnitPath | Should -Be "$units/$name.service"
        $service.EntryPoint | Should -Match "crac-start.* $name$"
        [IO.File]::GetUnixFileMode($service.DescriptionPath) | Should -Be 'UserWrite, UserRead'
        $read = Get-Content -Raw $service.DescriptionPath | ConvertFrom-Json
        $read.environment.SECRET | Should -Be 'x'
        $read.readyPort | Should -Be 8080
        $unit = Get-Content -Raw $service.UnitPath
        $unit | Should -Match "(?m)^ExecStart=.* $name$"
        $unit | Should -Not -Match 'SECRET'
        # crac-start is to find the description.
        $unit | Should -Match ([regex]::Escape("PSCRAC_STATE_ROOT=$env:PSCRAC_STATE_ROOT"))
    }

    It 'keeps each parameter in the description' {
        Push-Location $folder
        try {
            $null = Register-CracService $name -FilePath sleep -ArgumentList 'a b', '' -ReadyUri http://127.0.0.1:1/h -ReadyFile r -ReadyPattern 'x$' -StandardErrorPath log -ReadyCommand true, '-x' -ReadyTimeout 7 -WarmUpUri http://127.0.0.1:1/, http://127.0.0.1:1/b -WarmUpCount 50 -WarmUpCommand true -CollectGarbage -User nobody -PidNamespace New -Engine Criu -DependsOn conf/*.yml -MinimumId 300 -RestartFrom Start -RestartLimit 2 -CriuOption @{ 'tcp-close' = $true; 'ghost-limit' = 5MB }
        }
        finally { Pop-Location }
        $read = Get-Content -Raw "$env:PSCRAC_STATE_ROOT/services/$name.json" | ConvertFrom-Json
        $read.arguments | Should -Be 'a b', ''
        $read.workingDirectory | Should -Be $folder
        $read.readyUri | Should -Be 'http://127.0.0.1:1/h'
        $read.readyFile | Should -Be "$folder/r"
        $read.readyPattern | Should -Be 'x$'
        $read.standardErrorPath | Should -Be "$folder/log"
        $read.readyCommand[0] | Should -BeLike '/*/true'
        $read.readyCommand[1] | Should -Be '-x'
        $read.readyTimeout | Should -Be '00:00:07'
        $read.warmUpUri.Count | Should -Be 2
        $read.warmUpCount | Should -Be 50
        $read.warmUpCommands[0] | Should -BeLike '/*/true'
        $read.collectGarbage | Should -BeTrue
        $read.user | Should -Be 'nobody'
        $read.pidNamespace | Should -Be 'New'
        $read.engine | Should -Be 'Criu'
        $read.dependsOn | Should -Be "$folder/conf/*.yml"
        $read.minimumId | Should -Be 300
        $read.restartFrom | Should -Be 'Start'
        $read.restartLimit | Should -Be 2
        $read.checkpointOptions.'tcp-close' | Should -BeTrue
        $read.checkpointOptions.'ghost-limit' | Should -Be 5MB
    }

    It 'shows the description and the unit with -WhatIf, and writes nothing' {
        $said = (Invoke-ChildPwsh "Register-CracService $name sleep 1000 -UnitDirectory '$units/whatif' -WhatIf").Output
        $said | Should -Match "What if: Write $([regex]::Escape("$env:PSCRAC_STATE_ROOT/services/$name.json")):"
        $said | Should -Match '"arguments": \['
        $said | Should -Match "Write $([regex]::Escape("$units/whatif/$name.service")):"
        $said | Should -Match '(?m)^KillMode=mixed$'
        Test-Path "$units/whatif" | Should -BeFalse
        Get-CracService $name -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
    }

    It 'overwrites <What> with -Force only' -ForEach @(
        @{ What = 'a service'; Make = { $null = Register-CracService $name sleep 1000 -UnitDirectory $units } }
        @{ What = 'a unit of someone else'; Make = { $null = New-Item -ItemType Directory -Force $units; Set-Content "$units/$name.service" '[Unit]' } }
        @{ What = 'a link in the place of a unit'; Make = { $null = New-Item -ItemType Directory -Force $units; $null = New-Item -ItemType SymbolicLink "$units/$name.service" -Value /dev/null } }
    ) {
        & $Make
        $failure = { Register-CracService $name sleep 2000 -UnitDirectory $units } | Should -Throw -ErrorId 'ServiceExists,*' -PassThru
        $failure.CategoryInfo.Category | Should -Be 'ResourceExists'
        $failure.ErrorDetails.RecommendedAction | Should -Match '-Force'
        Register-CracService $name sleep 3000 -UnitDirectory $units -Force | ForEach-Object Command | Should -Be "$sleep 3000"
        Get-Content -Raw "$units/$name.service" | Should -Match "ExecStart=.* $name"
        (Get-Item "$units/$name.service").LinkType | Should -BeNullOrEmpty
        (Get-Item /dev/null).UnixMode | Should -BeLike 'c*'
    }

    It 'adds settings to the unit, and replaces its own' {
        $unit = Get-Content (Register-CracService $name sleep 1000 -UnitDirectory $units -UnitOption @{ MemoryMax = '1G'; Restart = 'no' }).UnitPath
        $unit | Should -Contain 'MemoryMax=1G'
        $unit -like 'Restart=*' | Should -Be 'Restart=no'
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a name with a slash'; Id = 'OptionRefused,*'; Call = { Register-CracService ../x sleep } }
        @{ What = 'a program that there is not'; Id = 'ProgramNotStarted,*'; Call = { Register-CracService $name /none/server } }
        @{ What = 'a relative address'; Id = 'OptionRefused,*'; Call = { Register-CracService $name sleep -ReadyUri health } }
        @{ What = 'an address to warm it up that is none'; Id = 'ServiceInvalid,*'; Call = { Register-CracService $name sleep -WarmUpUri ftp://x/ } }
        @{ What = 'a pattern without output'; Id = 'ServiceInvalid,*'; Call = { Register-CracService $name sleep -ReadyPattern x } }
        @{ What = 'a schedule without a unit'; Id = 'ParameterArgumentTransformationError,*'; Call = { Register-CracService $name sleep -CheckpointEvery 6 } }
        @{ What = 'a schedule of less than a second'; Id = 'ServiceInvalid,*'; Call = { Register-CracService $name sleep -CheckpointEvery 00:00:00.5 } }
        @{ What = 'a setting of two lines'; Id = 'OptionRefused,*'; Call = { Register-CracService $name sleep -UnitDirectory $units -UnitOption @{ MemoryMax = "1G`nUser=root" } } }
        @{ What = 'a script block, which needs PowerShell'; Id = 'NamedParameterNotFound,*'; Call = { Register-CracService $name sleep -ReadyScript { } } }
    ) {
        $Call | Should -Throw -ErrorId $Id
        Get-CracService $name -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        Test-Path "$units/$name.service" | Should -BeFalse
    }
}

Describe 'Get-CracService' {
    BeforeAll {
        $null = 'web-1', 'web-2', 'shop' | ForEach-Object { Register-CracService $_ sleep 1000 }
    }

    It 'gives services by name, by wildcard, from the pipeline, and all' {
        (Get-CracService web-1).Name | Should -Be 'web-1'
        (Get-CracService web-*).Name | Should -Be 'web-1', 'web-2'
        ('shop', 'web-2' | Get-CracService).Name | Should -Be 'shop', 'web-2'
        (Get-CracService).Name | Should -Contain 'shop'
        Get-CracService none-* | Should -BeNullOrEmpty
    }

    It 'has an error for a name that no service has, and goes on' {
        $found = Get-CracService none, shop -ErrorVariable failed -ErrorAction SilentlyContinue
        $found.Name | Should -Be 'shop'
        $failed.FullyQualifiedErrorId | Should -BeLike 'ServiceNotFound,*'
        $failed.CategoryInfo.Category | Should -Be 'ObjectNotFound'
    }

    It 'refuses a description that others may write' {
        [IO.File]::SetUnixFileMode((Get-CracService web-2).DescriptionPath, 'UserRead, UserWrite, OtherWrite')
        Get-CracService web-* -ErrorVariable failed -ErrorAction SilentlyContinue | ForEach-Object Name | Should -Be 'web-1'
        $failed.FullyQualifiedErrorId | Should -BeLike 'ServiceNotTrusted,*'
        $null = Register-CracService web-2 sleep 1000 -Force
    }

    It 'offers names: <_>' -ForEach 'Get-CracService sh', 'Unregister-CracService sh', 'Get-CracProcess sh' {
        [Management.Automation.CommandCompletion]::CompleteInput($_, $_.Length, $null).CompletionMatches.CompletionText | Should -Contain 'shop'
    }
}

Describe 'Unregister-CracService' {
    BeforeEach {
        $name = "u$([guid]::NewGuid().ToString('N'))"
        $null = Register-CracService $name sleep 1000 -UnitDirectory $units
    }

    It 'removes the description and the unit, and says nothing' {
        Unregister-CracService $name -UnitDirectory $units | Should -BeNullOrEmpty
        Test-Path "$units/$name.service" | Should -BeFalse
        Test-Path "$env:PSCRAC_STATE_ROOT/services/$name.json" | Should -BeFalse
        { Unregister-CracService $name -ErrorAction Stop } | Should -Throw -ErrorId 'ServiceNotFound,*'
    }

    It 'takes what Get-CracService gives' {
        Get-CracService $name | Unregister-CracService -UnitDirectory $units
        Get-CracService $name -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
    }

    It 'removes nothing with -WhatIf' {
        (Invoke-ChildPwsh "Unregister-CracService $name -WhatIf").Output | Should -Be "What if: Performing the operation `"Unregister service`" on target `"$name`"."
        (Get-CracService $name).Name | Should -Be $name
    }

    It 'leaves a unit that was changed into another, and warns' {
        Set-Content "$units/$name.service" '[Unit]'
        Unregister-CracService $name -UnitDirectory $units -WarningVariable warned -WarningAction SilentlyContinue
        $warned.Message | Should -Match ([regex]::Escape("$units/$name.service"))
        Test-Path "$units/$name.service" | Should -BeTrue
    }
}
